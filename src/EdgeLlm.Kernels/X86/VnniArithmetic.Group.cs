using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.X86;

/// <summary>
/// Two to four tokens times a group, straight from the file: codes become codebook values in registers, once for all of them, and the
/// tokens' sums stay in registers. The tokens are regrouped by blocks of 32 columns: int8 values [tokens][32], int starts [2][tokens] (of
/// both halves where 16 columns have a sub-scale, else the first is for all), int shifts [tokens].
/// </summary>
internal readonly unsafe partial struct VnniArithmetic<TDot>
{
    private const int StartsPerToken = 2;

    public static int TokenBlockBytes => 32 + (StartsPerToken + 1) * sizeof(int);

    public static void Prepare<TCodes, TTokens>(in PackedActivations x, int firstToken, byte* tokens)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount
    {
        for (int t = 0; t < TTokens.Count; t++)
        {
            sbyte* values = x.Values + (long)(firstToken + t) * x.Columns;
            int* sums = x.Sums + 2 * (long)(firstToken + t) * x.Blocks, shifts = x.Shifts + (long)(firstToken + t) * x.Blocks;
            byte* block = tokens;
            for (int b = 0; b < x.Blocks; b++, block += TTokens.Count * TokenBlockBytes)
            {
                Vector256.Load(values + 32 * b).Store((sbyte*)block + 32 * t);
                int* starts = (int*)(block + 32 * TTokens.Count) + t;
                starts[0] = -PackedTile.Bias * (TCodes.HasScalePer16 ? sums[2 * b] : sums[2 * b] + sums[2 * b + 1]);
                starts[TTokens.Count] = -PackedTile.Bias * sums[2 * b + 1];
                starts[StartsPerToken * TTokens.Count] = shifts[b];
            }
        }
    }

    /// <summary>A group times the tokens: y [tokens][8].</summary>
    private static void MultiplySeveral<TCodes, TTokens>(byte* group, nint codeOffset, in BiasedCodebook codebook,
        in PackedActivations x, int firstToken, byte* tokens, float* y)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount
    {
        int* sums = stackalloc int[4 * 8];
        sbyte* subScales = (sbyte*)group + PackedLayout.SubScaleOffset;
        byte* codes = group + codeOffset;
        float* scales = x.Scales + (long)firstToken * x.ScaleCount;
        new Span<float>(y, 8 * TTokens.Count).Clear();
        for (int done = 0; done < x.Blocks; done += PackedActivations.ScaleBlocks, scales++)
        {
            int blocks = Math.Min(x.Blocks - done, PackedActivations.ScaleBlocks);
            SumBlocks<TCodes, TTokens>(codes, codebook, subScales, tokens, blocks, sums);
            codes += blocks * TCodes.BlockBytes;
            subScales += blocks * (TCodes.HasScalePer16 ? 16 : 8);
            tokens += blocks * TTokens.Count * TokenBlockBytes;
            for (int t = 0; t < TTokens.Count; t++)
                Fma.MultiplyAdd(Vector256.Create(scales[t * x.ScaleCount]), Vector256.ConvertToSingle(Vector256.Load(sums + 8 * t)),
                    Vector256.Load(y + 8 * t)).Store(y + 8 * t);
        }
        Vector256<float> rowScales = Vector256.Load((float*)group);
        for (int t = 0; t < TTokens.Count; t++) (Vector256.Load(y + 8 * t) * rowScales).Store(y + 8 * t);
    }

    /// <summary>The sums [tokens][8] of up to 256 columns.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    [SkipLocalsInit]
    private static void SumBlocks<TCodes, TTokens>(byte* codes, in BiasedCodebook codebook, sbyte* subScales, byte* tokens,
        int blocks, int* sums)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount
    {
        Vector256<byte> table = codebook.Lower, upper = codebook.Upper, low = Vector256.Create((byte)15);
        TokenSums sum = default;
        for (; blocks > 0; blocks--, codes += TCodes.BlockBytes, tokens += TTokens.Count * TokenBlockBytes)
        {
            Sse.Prefetch0(codes + PrefetchBytes);
            Sse.Prefetch0(codes + (PrefetchBytes + 64));
            if (TCodes.BlockBytes > 128) Sse.Prefetch0(codes + (PrefetchBytes + 128));
            if (!TCodes.HasCodebook) Sse.Prefetch0(codes + (PrefetchBytes + 192));
            int* starts = (int*)(tokens + 32 * TTokens.Count), shifts = starts + StartsPerToken * TTokens.Count;
            for (int half = 0; half < (TCodes.HasScalePer16 ? 2 : 1); half++, starts += TTokens.Count, subScales += 8)
            {
                Unsafe.SkipInit(out TokenSums a);
                a.T0 = Start<TCodes>(starts);
                a.T1 = Start<TCodes>(starts + 1);
                if (TTokens.Count > 2) a.T2 = Start<TCodes>(starts + 2);
                if (TTokens.Count > 3) a.T3 = Start<TCodes>(starts + 3);
                byte* quad = codes, values = tokens;
                if (TCodes.HasCodebook && !TCodes.AreNibbles)
                {
                    AddQuad<TCodes, TTokens>(TCodes.Quad(codes, table, upper, 0), values, ref a);
                    AddQuad<TCodes, TTokens>(TCodes.Quad(codes, table, upper, 1), values + 4, ref a);
                    AddQuad<TCodes, TTokens>(TCodes.Quad(codes, table, upper, 2), values + 8, ref a);
                    AddQuad<TCodes, TTokens>(TCodes.Quad(codes, table, upper, 3), values + 12, ref a);
                    AddQuad<TCodes, TTokens>(TCodes.Quad(codes, table, upper, 4), values + 16, ref a);
                    AddQuad<TCodes, TTokens>(TCodes.Quad(codes, table, upper, 5), values + 20, ref a);
                    AddQuad<TCodes, TTokens>(TCodes.Quad(codes, table, upper, 6), values + 24, ref a);
                    AddQuad<TCodes, TTokens>(TCodes.Quad(codes, table, upper, 7), values + 28, ref a);
                }
                for (int left = TCodes.AreNibbles || !TCodes.HasCodebook ? 4 : 0; left > 0; left--, quad += 32, values += 4)
                {
                    Vector256<byte> both = Vector256.Load(quad);
                    if (!TCodes.HasScalePer16 || half == 0)
                    {
                        Vector256<byte> first = TCodes.HasCodebook ? Avx2.Shuffle(table, both & low) : both;
                        AddQuad<TCodes, TTokens>(first, values, ref a);
                    }
                    if (!TCodes.HasScalePer16 || half == 1)
                    {
                        Vector256<byte> second = TCodes.HasCodebook ? Avx2.Shuffle(table, (both.AsUInt16() >> 4).AsByte() & low)
                            : Vector256.Load(quad + 128);
                        AddQuad<TCodes, TTokens>(second, values + 16, ref a);
                    }
                }
                Vector256<int> scale = Avx2.ConvertToVector256Int32(subScales);
                sum.T0 += a.T0 * Avx2.ShiftLeftLogicalVariable(scale, Vector256.Create((uint)shifts[0]));
                sum.T1 += a.T1 * Avx2.ShiftLeftLogicalVariable(scale, Vector256.Create((uint)shifts[1]));
                if (TTokens.Count > 2) sum.T2 += a.T2 * Avx2.ShiftLeftLogicalVariable(scale, Vector256.Create((uint)shifts[2]));
                if (TTokens.Count > 3) sum.T3 += a.T3 * Avx2.ShiftLeftLogicalVariable(scale, Vector256.Create((uint)shifts[3]));
            }
        }
        sum.Store<TTokens>(sums);
    }

    /// <summary>Four columns of eight rows and of each token.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddQuad<TCodes, TTokens>(
        Vector256<byte> codes, byte* values, ref TokenSums a)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount
    {
        Vector256<byte> u = TCodes.HasCodebook ? codes : Avx2.Abs(codes.AsSByte());
        a.T0 = TDot.AccumulateWide(a.T0, u, Signed<TCodes>(Vector256.Create(*(int*)values), codes));
        a.T1 = TDot.AccumulateWide(a.T1, u, Signed<TCodes>(Vector256.Create(*(int*)(values + 32)), codes));
        if (TTokens.Count > 2) a.T2 = TDot.AccumulateWide(a.T2, u, Signed<TCodes>(Vector256.Create(*(int*)(values + 64)), codes));
        if (TTokens.Count > 3) a.T3 = TDot.AccumulateWide(a.T3, u, Signed<TCodes>(Vector256.Create(*(int*)(values + 96)), codes));
    }

    /// <summary>Activations, with the signs of weights that are multiplied by magnitude.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Signed<TCodes>(Vector256<int> x, Vector256<byte> codes)
        where TCodes : struct, IPackedCodes => TCodes.HasCodebook ? x.AsSByte() : Avx2.Sign(x.AsSByte(), codes.AsSByte());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Start<TCodes>(int* start)
        where TCodes : struct, IPackedCodes => TCodes.HasCodebook ? Vector256.Create(*start) : Vector256<int>.Zero;
}
