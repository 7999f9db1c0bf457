using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using EdgeLlm.Kernels.Formats;

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

/// <summary>
/// The lower four bits look up in both halves of the codebook; the fifth, moved to the top of its byte, says which half it is. (Bytes have
/// no shift of their own.)
/// </summary>
internal readonly unsafe struct E5Group32Codes : IPackedCodes
{
    public static int BlockBytes => 160;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Quad(byte* block, Vector256<byte> table, Vector256<byte> upper, int quad)
    {
        Vector256<byte> codes = Vector256.Load(block + 32 * (quad & 3));
        if (quad >= 4) codes = (codes.AsUInt16() >> 4).AsByte();
        codes &= Vector256.Create((byte)15);
        Vector256<ushort> bits = Vector256.Load(block + PackedLayout.HighBits).AsUInt16() << (7 - quad);
        return Avx2.BlendVariable(Avx2.Shuffle(table, codes), Avx2.Shuffle(upper, codes), bits.AsByte());
    }
}

/// <summary>
/// Windows of four bits of rings of 24, whose bytes are 32 apart. Shifts are of 16 bits: what comes from the neighbouring byte is masked.
/// </summary>
internal readonly unsafe struct E3Group32Codes : IPackedCodes
{
    public static int BlockBytes => 96;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Quad(byte* block, Vector256<byte> table, Vector256<byte> upper, int quad)
    {
        Vector256<ushort> low = Vector256.Load(block).AsUInt16(), middle = Vector256.Load(block + 32).AsUInt16(),
            high = Vector256.Load(block + 64).AsUInt16();
        Vector256<byte> codes = quad switch
        {
            0 => Bits(low, 15),
            1 => Bits(low >> 3, 15),
            2 => Bits(low >> 6, 3) | Bits(middle << 2, 12),
            3 => Bits(middle >> 1, 15),
            4 => Bits(middle >> 4, 15),
            5 => Bits(middle >> 7, 1) | Bits(high << 1, 14),
            6 => Bits(high >> 2, 15),
            _ => Bits(high >> 5, 7) | Bits(low << 3, 8),
        };
        return Avx2.Shuffle(table, codes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Bits(Vector256<ushort> bytes, byte mask) => bytes.AsByte() & Vector256.Create(mask);
}

/// <summary>
/// A codebook's values plus <see cref="PackedTile.Bias"/>, sixteen at a time in both halves of a vector: what VPSHUFB looks up.
/// </summary>
internal readonly struct BiasedCodebook
{
    public BiasedCodebook(Vector256<sbyte> values)
    {
        Vector256<byte> biased = values.AsByte() + Vector256.Create((byte)PackedTile.Bias);
        Lower = Vector256.Create(biased.GetLower(), biased.GetLower());
        Upper = Vector256.Create(biased.GetUpper(), biased.GetUpper());
    }

    /// <summary>Values of the codes 0 to 15.</summary>
    public Vector256<byte> Lower { get; }

    /// <summary>Values of the codes 16 to 31.</summary>
    public Vector256<byte> Upper { get; }
}
