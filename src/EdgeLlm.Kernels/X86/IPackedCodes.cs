using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>How a product handles the codes of a packed matrix.</summary>
internal unsafe interface IPackedCodes
{
    /// <summary>From one 32 columns to the next.</summary>
    static abstract int BlockBytes { get; }

    /// <summary>True of codes that become codebook values plus <see cref="PackedTile.Bias"/>; else values are int8.</summary>
    static virtual bool HasCodebook => true;

    /// <summary>True of codes that are nibbles of two quads each, which a product takes out of a byte together.</summary>
    static virtual bool AreNibbles => false;

    /// <summary>True where each 16 columns have a sub-scale, not each 32.</summary>
    static virtual bool HasScalePer16 => false;

    /// <summary>Added to values in a <see cref="PackedPanel"/> so that they fit an unsigned operand.</summary>
    static virtual int Bias => PackedTile.Bias;

    /// <summary>Four columns of eight rows as values plus <see cref="Bias"/>; of codes that are not nibbles.</summary>
    /// <param name="table">Values of the codes 0 to 15, in both halves.</param>
    /// <param name="upper">Those of 16 to 31.</param>
    /// <param name="quad">A constant: which four of the 32 columns.</param>
    static virtual Vector256<byte> Quad(byte* block, Vector256<byte> table, Vector256<byte> upper, int quad) =>
        throw new NotSupportedException();
}

internal readonly struct E4Group32Codes : IPackedCodes
{
    public static int BlockBytes => 128;

    public static bool AreNibbles => true;
}

internal readonly struct E4Group16Codes : IPackedCodes
{
    public static int BlockBytes => 128;

    public static bool AreNibbles => true;

    public static bool HasScalePer16 => true;
}

internal readonly struct E8Group32Codes : IPackedCodes
{
    public static int BlockBytes => 256;

    public static bool HasCodebook => false;

    public static int Bias => 128;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe Vector256<byte> Quad(byte* block, Vector256<byte> table, Vector256<byte> upper, int quad) =>
        Vector256.Load(block + 32 * quad) ^ Vector256.Create((byte)128);
}
