using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>
/// The activations of up to four tokens, regrouped by blocks of 32 columns so that one pointer walks all that a product needs of them:
/// int8 values [4][32], float scales [4], int starts [2][4], float sums [2][4] (scale times sum of values). Starts and sums are of the
/// block's two halves where the weights have a scale per 16 columns; else the first [4] are of the whole block. A start is -bias times
/// the sum of values: it takes the bias of unsigned codes off.
/// </summary>
internal static unsafe class TokenTile
{
    public const int Tokens = 4;
    public const int Scales = 128;
    public const int Starts = Scales + 16;
    public const int Sums = Starts + 32;
    public const int BlockBytes = Sums + 32;

    /// <summary>
    /// Fills a tile with <paramref name="count"/> tokens from <paramref name="firstToken"/>; the last one again in the places beyond.
    /// </summary>
    public static void Fill<TCodes, TTokens>(byte* tile, in QuantizedActivations x, int firstToken, int count)
        where TCodes : struct, ICodes
        where TTokens : struct, ITokenCount
    {
        for (int t = 0; t < TTokens.Count; t++)
        {
            long cell = (long)(firstToken + Math.Min(t, count - 1)) * x.Blocks;
            sbyte* values = x.Values + 32 * cell;
            float* scales = x.Scales + cell, scaledSums = x.ScaledSums + cell;
            int* sums = x.Sums + 2 * cell;
            byte* block = tile;
            for (int b = 0; b < x.Blocks; b++, block += BlockBytes)
            {
                Vector256.Load(values + 32 * b).Store((sbyte*)block + 32 * t);
                ((float*)(block + Scales))[t] = scales[b];
                int* starts = (int*)(block + Starts) + t;
                float* blockSums = (float*)(block + Sums) + t;
                if (TCodes.HasScalePer16)
                {
                    for (int half = 0; half < 2; half++)
                    {
                        int sum = sums[2 * b + half];
                        if (TCodes.Bias != 0) starts[half * Tokens] = -TCodes.Bias * sum;
                        if (TCodes.HasOffset) blockSums[half * Tokens] = scales[b] * sum;
                    }
                }
                else
                {
                    if (TCodes.Bias != 0) starts[0] = -TCodes.Bias * (sums[2 * b] + sums[2 * b + 1]);
                    if (TCodes.HasOffset) blockSums[0] = scaledSums[b];
                }
            }
        }
    }
}
