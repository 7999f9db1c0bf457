using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

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

/// <summary>
/// The activations of up to four tokens, regrouped by blocks of 32 columns so that one pointer walks all that a product needs of them:
/// int8 values [4][32], int starts [4][8] (see <see cref="IPackedArithmetic"/>), where a shift's scales are in a <see cref="PackedPanel"/>
/// as int offsets [4], float scales [4] (the same in all blocks that share one).
/// </summary>
internal static unsafe class PackedTile
{
    /// <summary>Added to codebook values (-63..63) so that they fit the unsigned operand of VPMADDUBSW and VPDPBUSD.</summary>
    public const int Bias = 64;

    public const int Tokens = 4;
    public const int Starts = 128;
    public const int StartBytes = 32;
    public const int Offsets = Starts + Tokens * StartBytes;
    public const int Scales = Offsets + 16;
    public const int BlockBytes = Scales + 16;

    /// <summary>
    /// Fills a tile with <paramref name="count"/> tokens from <paramref name="firstToken"/>; the last one again in the places beyond.
    /// </summary>
    public static void Fill<TArithmetic, TCodes, TTokens>(byte* tile, in PackedActivations x, int firstToken, int count)
        where TArithmetic : struct, IPackedArithmetic
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount
    {
        for (int t = 0; t < TTokens.Count; t++)
        {
            long token = firstToken + Math.Min(t, count - 1);
            sbyte* values = x.Values + token * x.Columns;
            float* scales = x.Scales + token * x.ScaleCount;
            int* shifts = x.Shifts + token * x.Blocks;
            byte* block = tile;
            for (int b = 0; b < x.Blocks; b++, block += BlockBytes, values += 32)
            {
                Vector256.Load(values).Store((sbyte*)block + 32 * t);
                TArithmetic.Starts<TCodes>(values, (int*)(block + Starts + StartBytes * t));
                ((int*)(block + Offsets))[t] = shifts[b] * 32;
                ((float*)(block + Scales))[t] = scales[b / PackedActivations.ScaleBlocks];
            }
        }
    }
}
