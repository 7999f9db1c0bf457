using System.Runtime.CompilerServices;

namespace EdgeLlm.Kernels.X86;

/// <summary>
/// Two groups of eight rows, unpacked: per block of 32 columns values plus <see cref="IPackedCodes.Bias"/> [8 quads][8 rows][4 columns] and
/// scales [4 shifts][8 rows], or [2 halves][4 shifts][8 rows] where 16 columns have one.
/// </summary>
internal readonly unsafe struct PackedPanel(byte* firstCodes, byte* secondCodes, byte* firstScales, byte* secondScales)
{
    public const int CodeBytes = 256;

    /// <summary>Four shifts of eight scales.</summary>
    public const int ScaleBytes = 4 * 32;

    public byte* FirstCodes { get; } = firstCodes;

    public byte* SecondCodes { get; } = secondCodes;

    public byte* FirstScales { get; } = firstScales;

    public byte* SecondScales { get; } = secondScales;

    /// <summary>Scales of a block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int BlockScaleBytes<TCodes>()
        where TCodes : struct, IPackedCodes => TCodes.HasScalePer16 ? 2 * ScaleBytes : ScaleBytes;
}
