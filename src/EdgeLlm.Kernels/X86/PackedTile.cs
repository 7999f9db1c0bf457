using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>
/// The activations of up to four tokens, regrouped by blocks of 32 columns so that one pointer walks all that a product needs of them:
/// int8 values [4][32], int starts [2 halves][4], int shifts [4], float scales [4] (the same in all blocks that share one). A start is
/// -<see cref="Bias"/> times the sum of 16 values, or where 32 columns share a sub-scale the first [4] are of all 32: it takes the bias of codebook
/// values off; not used without a codebook.
/// </summary>
internal static unsafe class PackedTile
{
    /// <summary>What codebook values, -63 to 63, have on top so that they are not negative.</summary>
    public const int Bias = 64;

    public const int Tokens = 4;
    public const int Starts = 128;
    public const int Shifts = Starts + 32;
    public const int Scales = Shifts + 16;
    public const int BlockBytes = Scales + 16;

    /// <summary>Fills a tile with <paramref name="count"/> tokens from <paramref name="firstToken"/>; the last one again in the places beyond.</summary>
    public static void Fill<TCodes, TTokens>(byte* tile, in PackedActivations x, int firstToken, int count)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount
    {
        for (int t = 0; t < TTokens.Count; t++)
        {
            long token = firstToken + Math.Min(t, count - 1);
            sbyte* values = x.Values + token * x.Columns;
            float* scales = x.Scales + token * x.ScaleCount;
            int* shifts = x.Shifts + token * x.Blocks, sums = x.Sums + 2 * token * x.Blocks;
            byte* block = tile;
            for (int b = 0; b < x.Blocks; b++, block += BlockBytes)
            {
                Vector256.Load(values + 32 * b).Store((sbyte*)block + 32 * t);
                int* starts = (int*)(block + Starts) + t;
                starts[0] = -Bias * (TCodes.HasScalePer16 ? sums[2 * b] : sums[2 * b] + sums[2 * b + 1]);
                starts[Tokens] = -Bias * sums[2 * b + 1];
                ((int*)(block + Shifts))[t] = shifts[b];
                ((float*)(block + Scales))[t] = scales[b / PackedActivations.ScaleBlocks];
            }
        }
    }
}
