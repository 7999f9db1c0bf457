using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Kernels.X86;

/// <summary>One <see cref="WeightPanel"/> times one <see cref="TokenTile"/>: 16 rows by up to four tokens.</summary>
internal static unsafe class PanelProduct<TDot, TCodes, TTokens>
    where TDot : struct, IByteDot
    where TCodes : struct, ICodes
    where TTokens : struct, ITokenCount
{
    /// <param name="sums">The results, [tokens][16 rows]. They stay in memory: the integer sums take the registers.</param>
    public static void Multiply(byte* panel, byte* tile, int blocks, float* sums)
    {
        for (int t = 0; t < TTokens.Count; t++)
        {
            Vector256<float>.Zero.Store(sums + t * WeightPanel.Rows);
            Vector256<float>.Zero.Store(sums + t * WeightPanel.Rows + 8);
        }
        for (; blocks > 0; blocks--, panel += WeightPanel.BlockBytes<TCodes>(), tile += TokenTile.BlockBytes)
        {
            if (TCodes.HasScalePer16)
            {
                AddColumns(panel, tile, 0, 1, sums);
                AddColumns(panel, tile, 1, 1, sums);
            }
            else
            {
                AddColumns(panel, tile, 0, 2, sums);
            }
        }
    }

    /// <summary>Adds 16 columns or 32 (one or two <paramref name="runs"/> of four quads).</summary>
    /// <remarks>A method of its own, with loops over the quads: the compiler's budget for inlining counts per method, and all of it in one
    /// was too much.</remarks>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AddColumns(byte* panel, byte* tile, int half, int runs, float* sums)
    {
        // a: rows 0 to 7, b: rows 8 to 15
        TokenSums a = default, b = default;
        byte* codes = panel + half * 4 * WeightPanel.QuadBytes;
        byte* values = tile + half * 16, end = values + 16 * runs;
        if (TCodes.Range == CodeRange.FourBits)
        {
            for (; values < end; codes += WeightPanel.QuadBytes, values += 4)
                AddQuad(codes, values, ref a, ref b);
        }
        else if (TCodes.Range == CodeRange.SixBits)
        {
            for (; values < end; codes += 2 * WeightPanel.QuadBytes, values += 8)
                AddTwoQuads(codes, values, ref a, ref b);
        }
        else
        {
            for (; values < end; codes += WeightPanel.QuadBytes, values += 4)
                AddSignedQuad(codes, values, ref a, ref b);
        }
        float* scales = (float*)(panel + WeightPanel.CodeBytes) + half * WeightPanel.Rows;
        byte* token = tile + half * 16;
        Finish(a.T0, b.T0, scales, (float*)(tile + TokenTile.Scales), token, sums);
        if (TTokens.Count > 1) Finish(a.T1, b.T1, scales, (float*)(tile + TokenTile.Scales) + 1, token + 4, sums + WeightPanel.Rows);
        if (TTokens.Count > 2)
        {
            Finish(a.T2, b.T2, scales, (float*)(tile + TokenTile.Scales) + 2, token + 8, sums + 2 * WeightPanel.Rows);
            Finish(a.T3, b.T3, scales, (float*)(tile + TokenTile.Scales) + 3, token + 12, sums + 3 * WeightPanel.Rows);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddQuad(byte* codes, byte* values, ref TokenSums aSums, ref TokenSums bSums)
    {
        Vector256<byte> a = Vector256.Load(codes), b = Vector256.Load(codes + 32);
        Vector256<sbyte> x = Broadcast(values);
        aSums.T0 = TDot.Accumulate(aSums.T0, a, x);
        bSums.T0 = TDot.Accumulate(bSums.T0, b, x);
        if (TTokens.Count > 1)
        {
            x = Broadcast(values + 32);
            aSums.T1 = TDot.Accumulate(aSums.T1, a, x);
            bSums.T1 = TDot.Accumulate(bSums.T1, b, x);
        }
        if (TTokens.Count > 2)
        {
            x = Broadcast(values + 64);
            aSums.T2 = TDot.Accumulate(aSums.T2, a, x);
            bSums.T2 = TDot.Accumulate(bSums.T2, b, x);
            x = Broadcast(values + 96);
            aSums.T3 = TDot.Accumulate(aSums.T3, a, x);
            bSums.T3 = TDot.Accumulate(bSums.T3, b, x);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddTwoQuads(byte* codes, byte* values, ref TokenSums aSums, ref TokenSums bSums)
    {
        Vector256<byte> a = Vector256.Load(codes), b = Vector256.Load(codes + 32);
        Vector256<byte> c = Vector256.Load(codes + WeightPanel.QuadBytes), d = Vector256.Load(codes + WeightPanel.QuadBytes + 32);
        Vector256<sbyte> x = Broadcast(values), y = Broadcast(values + 4);
        aSums.T0 = TDot.AccumulateWide(aSums.T0, a, x, c, y);
        bSums.T0 = TDot.AccumulateWide(bSums.T0, b, x, d, y);
        if (TTokens.Count > 1)
        {
            x = Broadcast(values + 32);
            y = Broadcast(values + 36);
            aSums.T1 = TDot.AccumulateWide(aSums.T1, a, x, c, y);
            bSums.T1 = TDot.AccumulateWide(bSums.T1, b, x, d, y);
        }
        if (TTokens.Count > 2)
        {
            x = Broadcast(values + 64);
            y = Broadcast(values + 68);
            aSums.T2 = TDot.AccumulateWide(aSums.T2, a, x, c, y);
            bSums.T2 = TDot.AccumulateWide(bSums.T2, b, x, d, y);
            x = Broadcast(values + 96);
            y = Broadcast(values + 100);
            aSums.T3 = TDot.AccumulateWide(aSums.T3, a, x, c, y);
            bSums.T3 = TDot.AccumulateWide(bSums.T3, b, x, d, y);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddSignedQuad(byte* codes, byte* values, ref TokenSums aSums, ref TokenSums bSums)
    {
        Vector256<sbyte> a = Vector256.Load((sbyte*)codes), b = Vector256.Load((sbyte*)codes + 32);
        Vector256<byte> aMagnitude = Avx2.Abs(a), bMagnitude = Avx2.Abs(b);
        Vector256<sbyte> x = Broadcast(values);
        aSums.T0 = TDot.AccumulateWide(aSums.T0, aMagnitude, Avx2.Sign(x, a));
        bSums.T0 = TDot.AccumulateWide(bSums.T0, bMagnitude, Avx2.Sign(x, b));
        if (TTokens.Count > 1)
        {
            x = Broadcast(values + 32);
            aSums.T1 = TDot.AccumulateWide(aSums.T1, aMagnitude, Avx2.Sign(x, a));
            bSums.T1 = TDot.AccumulateWide(bSums.T1, bMagnitude, Avx2.Sign(x, b));
        }
        if (TTokens.Count > 2)
        {
            x = Broadcast(values + 64);
            aSums.T2 = TDot.AccumulateWide(aSums.T2, aMagnitude, Avx2.Sign(x, a));
            bSums.T2 = TDot.AccumulateWide(bSums.T2, bMagnitude, Avx2.Sign(x, b));
            x = Broadcast(values + 96);
            aSums.T3 = TDot.AccumulateWide(aSums.T3, aMagnitude, Avx2.Sign(x, a));
            bSums.T3 = TDot.AccumulateWide(bSums.T3, bMagnitude, Avx2.Sign(x, b));
        }
    }

    /// <param name="token">The token's place in the tile; starts and sums are at their offsets from it.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(Vector256<int> a, Vector256<int> b, float* scales, float* activationScale, byte* token, float* sums)
    {
        if (TCodes.Range == CodeRange.FourBits)
        {
            a = TDot.Widen(a);
            b = TDot.Widen(b);
        }
        if (TCodes.Bias != 0)
        {
            Vector256<int> start = Vector256.Create(*(int*)(token + TokenTile.Starts));
            a += start;
            b += start;
        }
        Vector256<float> scale = Vector256.Create(*activationScale);
        Vector256<float> first = Fma.MultiplyAdd(
            Vector256.Load(scales) * scale, Vector256.ConvertToSingle(a), Vector256.Load(sums));
        Vector256<float> second = Fma.MultiplyAdd(
            Vector256.Load(scales + 8) * scale, Vector256.ConvertToSingle(b), Vector256.Load(sums + 8));
        if (TCodes.HasOffset)
        {
            float* offsets = scales + WeightPanel.OffsetsAfterScales<TCodes>();
            Vector256<float> sum = Vector256.Create(*(float*)(token + TokenTile.Sums));
            first = Fma.MultiplyAdd(Vector256.Load(offsets), sum, first);
            second = Fma.MultiplyAdd(Vector256.Load(offsets + 8), sum, second);
        }
        first.Store(sums);
        second.Store(sums + 8);
    }

    /// <summary>Four activations in every lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Broadcast(byte* values) => Vector256.Create(*(int*)values).AsSByte();
}

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

/// <summary>
/// Eight rows' integer sums, a lane each, of up to four tokens. (Of more than four fields the compiler makes memory, not registers.)
/// </summary>
internal unsafe struct TokenSums
{
    public Vector256<int> T0, T1, T2, T3;

    /// <summary>Stores them as [tokens][8].</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Store<TTokens>(int* target)
        where TTokens : struct, ITokenCount
    {
        T0.Store(target);
        if (TTokens.Count > 1) T1.Store(target + 8);
        if (TTokens.Count > 2) T2.Store(target + 16);
        if (TTokens.Count > 3) T3.Store(target + 24);
    }
}
