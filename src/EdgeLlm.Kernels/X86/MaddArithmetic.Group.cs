using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.X86;

internal readonly unsafe partial struct MaddArithmetic
{
    /// <summary>How far ahead of the products weights are asked for; without it, Zen 3 streams from memory at 60% of the speed.</summary>
    private const int PrefetchBytes = 4096;

    public static int TokenBlockBytes => PackedTile.StartBytes;

    /// <summary>The starts [tokens][blocks][8].</summary>
    public static void Prepare<TCodes, TTokens>(in PackedActivations x, int firstToken, byte* tokens)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount
    {
        if (!TCodes.HasCodebook) return;
        sbyte* values = x.Values + (long)firstToken * x.Columns;
        for (int block = 0; block < TTokens.Count * x.Blocks; block++)
            Starts<TCodes>(values + 32L * block, (int*)(tokens + TokenBlockBytes * block));
    }

    public static void MultiplyGroup<TCodes, TTokens>(byte* group, nint codeOffset, in BiasedCodebook codebook,
        in PackedActivations x, int firstToken, byte* tokens, float* y)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount
    {
        Vector256<float> y0 = Vector256<float>.Zero, y1 = y0, y2 = y0, y3 = y0;
        sbyte* subScales = (sbyte*)group + PackedLayout.SubScaleOffset, values = x.Values + (long)firstToken * x.Columns;
        byte* codes = group + codeOffset;
        int* shifts = x.Shifts + (long)firstToken * x.Blocks, starts = (int*)tokens, sums = stackalloc int[4 * 8];
        float* scales = x.Scales + (long)firstToken * x.ScaleCount;
        for (int done = 0; done < x.Blocks; done += PackedActivations.ScaleBlocks, scales++)
        {
            int blocks = Math.Min(x.Blocks - done, PackedActivations.ScaleBlocks);
            var section = new Section(values, shifts, starts, x.Blocks);
            if (TCodes.AreNibbles) SumCodes<TCodes, TTokens>(codes, codebook.Lower, subScales, section, blocks, sums);
            else if (TCodes.HasCodebook) SumQuads<TCodes, TTokens>(codes, codebook, subScales, section, blocks, sums);
            else SumBytes<TTokens>(codes, subScales, section, blocks, sums);
            codes += blocks * TCodes.BlockBytes;
            subScales += blocks * (TCodes.HasScalePer16 ? 16 : 8);
            values += blocks * 32;
            shifts += blocks;
            starts += blocks * 8;
            y0 = Fma.MultiplyAdd(Vector256.Create(*scales), Vector256.ConvertToSingle(Vector256.Load(sums)), y0);
            if (TTokens.Count > 1)
                y1 = Fma.MultiplyAdd(Vector256.Create(scales[x.ScaleCount]), Vector256.ConvertToSingle(Vector256.Load(sums + 8)), y1);
            if (TTokens.Count > 2)
                y2 = Fma.MultiplyAdd(Vector256.Create(scales[2 * x.ScaleCount]), Vector256.ConvertToSingle(Vector256.Load(sums + 16)), y2);
            if (TTokens.Count > 3)
                y3 = Fma.MultiplyAdd(Vector256.Create(scales[3 * x.ScaleCount]), Vector256.ConvertToSingle(Vector256.Load(sums + 24)), y3);
        }
        Vector256<float> rowScales = Vector256.Load((float*)group);
        (y0 * rowScales).Store(y);
        if (TTokens.Count > 1) (y1 * rowScales).Store(y + 8);
        if (TTokens.Count > 2) (y2 * rowScales).Store(y + 16);
        if (TTokens.Count > 3) (y3 * rowScales).Store(y + 24);
    }

    /// <summary>E4: the sums [tokens][8] of up to 256 columns.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    [SkipLocalsInit]
    private static void SumCodes<TCodes, TTokens>(
        byte* codes, Vector256<byte> table, sbyte* subScales, in Section section, int blocks, int* sums)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount
    {
        short* scales = stackalloc short[2 * 4 * 16]; // [2 halves][tokens][16]
        TokenSums sum = default;
        Vector256<byte> low = Vector256.Create((byte)15);
        sbyte* values = section.Values;
        int* shifts = section.Shifts, starts = section.Starts;
        nint blocksPerToken = section.BlocksPerToken, columns = 32 * blocksPerToken, startsPerToken = 8 * blocksPerToken;
        for (; blocks > 0; blocks--, values += 16, starts += 4, shifts++)
        {
            Vector256<short> spread = Spread(subScales);
            subScales += 8;
            Vector256<short> scale = Shift<TTokens>(spread, shifts, blocksPerToken, scales), secondScale = scale;
            short* second = scales;
            if (TCodes.HasScalePer16)
            {
                secondScale = Shift<TTokens>(Spread(subScales), shifts, blocksPerToken, scales + 64);
                subScales += 8;
                second += 64;
            }
            for (int half = 0; half < 2; half++, codes += 64, values += 8, starts += 2)
            {
                Sse.Prefetch0(codes + PrefetchBytes);
                Vector256<byte> a = Vector256.Load(codes), b = Vector256.Load(codes + 32);
                Vector256<byte> c = Avx2.Shuffle(table, (a.AsUInt16() >> 4).AsByte() & low),
                    d = Avx2.Shuffle(table, (b.AsUInt16() >> 4).AsByte() & low);
                a = Avx2.Shuffle(table, a & low);
                b = Avx2.Shuffle(table, b & low);
                AddQuads(ref sum.T0, a, b, values, starts, scale);
                AddQuads(ref sum.T0, c, d, values + 16, starts + 4, secondScale);
                if (TTokens.Count > 1)
                {
                    AddQuads(ref sum.T1, a, b, values + columns, starts + startsPerToken, Vector256.Load(scales + 16));
                    AddQuads(ref sum.T1, c, d, values + columns + 16, starts + startsPerToken + 4, Vector256.Load(second + 16));
                }
                if (TTokens.Count > 2)
                {
                    AddQuads(ref sum.T2, a, b, values + 2 * columns, starts + 2 * startsPerToken, Vector256.Load(scales + 32));
                    AddQuads(ref sum.T2, c, d, values + 2 * columns + 16, starts + 2 * startsPerToken + 4, Vector256.Load(second + 32));
                }
                if (TTokens.Count > 3)
                {
                    AddQuads(ref sum.T3, a, b, values + 3 * columns, starts + 3 * startsPerToken, Vector256.Load(scales + 48));
                    AddQuads(ref sum.T3, c, d, values + 3 * columns + 16, starts + 3 * startsPerToken + 4, Vector256.Load(second + 48));
                }
            }
        }
        sum.Store<TTokens>(sums);
    }

    /// <summary>Sums of E5 and E3, quad after quad.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    [SkipLocalsInit]
    private static void SumQuads<TCodes, TTokens>(
        byte* codes, in BiasedCodebook codebook, sbyte* subScales, in Section section, int blocks, int* sums)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount
    {
        short* scales = stackalloc short[4 * 16];
        TokenSums sum = default;
        Vector256<byte> table = codebook.Lower, upper = codebook.Upper;
        sbyte* values = section.Values;
        int* shifts = section.Shifts, starts = section.Starts;
        nint blocksPerToken = section.BlocksPerToken;
        for (; blocks > 0; blocks--, codes += TCodes.BlockBytes, values += 32, starts += 8, shifts++, subScales += 8)
        {
            Sse.Prefetch0(codes + PrefetchBytes);
            Sse.Prefetch0(codes + (PrefetchBytes + 64));
            if (TCodes.BlockBytes > 128) Sse.Prefetch0(codes + (PrefetchBytes + 128));
            Vector256<short> scale = Shift<TTokens>(Spread(subScales), shifts, blocksPerToken, scales);
            AddPair<TTokens>(TCodes.Quad(codes, table, upper, 0), TCodes.Quad(codes, table, upper, 1), values, starts,
                blocksPerToken, scale, scales, ref sum);
            AddPair<TTokens>(TCodes.Quad(codes, table, upper, 2), TCodes.Quad(codes, table, upper, 3), values + 8, starts + 2,
                blocksPerToken, scale, scales, ref sum);
            AddPair<TTokens>(TCodes.Quad(codes, table, upper, 4), TCodes.Quad(codes, table, upper, 5), values + 16, starts + 4,
                blocksPerToken, scale, scales, ref sum);
            AddPair<TTokens>(TCodes.Quad(codes, table, upper, 6), TCodes.Quad(codes, table, upper, 7), values + 24, starts + 6,
                blocksPerToken, scale, scales, ref sum);
        }
        sum.Store<TTokens>(sums);
    }

    /// <summary>Two quads times each token.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddPair<TTokens>(
        Vector256<byte> a, Vector256<byte> b, sbyte* values, int* starts, nint blocksPerToken, Vector256<short> scale, short* scales,
        ref TokenSums sum)
        where TTokens : struct, ITokenCount
    {
        nint columns = 32 * blocksPerToken, startsPerToken = 8 * blocksPerToken;
        AddQuads(ref sum.T0, a, b, values, starts, scale);
        if (TTokens.Count > 1) AddQuads(ref sum.T1, a, b, values + columns, starts + startsPerToken, Vector256.Load(scales + 16));
        if (TTokens.Count > 2) AddQuads(ref sum.T2, a, b, values + 2 * columns, starts + 2 * startsPerToken, Vector256.Load(scales + 32));
        if (TTokens.Count > 3) AddQuads(ref sum.T3, a, b, values + 3 * columns, starts + 3 * startsPerToken, Vector256.Load(scales + 48));
    }

    /// <summary>E8: the same.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    [SkipLocalsInit]
    private static void SumBytes<TTokens>(byte* codes, sbyte* subScales, in Section section, int blocks, int* sums)
        where TTokens : struct, ITokenCount
    {
        short* scales = stackalloc short[4 * 16];
        TokenSums sum = default;
        sbyte* values = section.Values;
        int* shifts = section.Shifts;
        nint blocksPerToken = section.BlocksPerToken, columns = 32 * blocksPerToken;
        for (; blocks > 0; blocks--, shifts++, subScales += 8)
        {
            Vector256<short> scale = Shift<TTokens>(Spread(subScales), shifts, blocksPerToken, scales);
            for (int pair = 0; pair < 4; pair++, codes += 64, values += 8)
            {
                Sse.Prefetch0(codes + PrefetchBytes);
                Vector256<sbyte> a = Vector256.Load((sbyte*)codes), b = Vector256.Load((sbyte*)codes + 32);
                AddSignedQuads(ref sum.T0, a, b, values, scale);
                if (TTokens.Count > 1) AddSignedQuads(ref sum.T1, a, b, values + columns, Vector256.Load(scales + 16));
                if (TTokens.Count > 2) AddSignedQuads(ref sum.T2, a, b, values + 2 * columns, Vector256.Load(scales + 32));
                if (TTokens.Count > 3) AddSignedQuads(ref sum.T3, a, b, values + 3 * columns, Vector256.Load(scales + 48));
            }
        }
        sum.Store<TTokens>(sums);
    }

    /// <summary>
    /// The sub-scales of a block times each token's multiplier: the first token's are the result, those of others go to
    /// <paramref name="scales"/> [tokens][16].
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Shift<TTokens>(Vector256<short> spread, int* shifts, nint blocksPerToken, short* scales)
        where TTokens : struct, ITokenCount
    {
        if (TTokens.Count > 1) Shift(spread, shifts[blocksPerToken]).Store(scales + 16);
        if (TTokens.Count > 2) Shift(spread, shifts[2 * blocksPerToken]).Store(scales + 32);
        if (TTokens.Count > 3) Shift(spread, shifts[3 * blocksPerToken]).Store(scales + 48);
        return Shift(spread, shifts[0]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Shift(Vector256<short> spread, int shift) =>
        Avx2.ShiftRightArithmetic(spread, Vector128.CreateScalar(8 - shift).AsInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddQuads(ref Vector256<int> sum, Vector256<byte> first, Vector256<byte> second, sbyte* values,
        int* start, Vector256<short> scale)
    {
        Vector256<short> four = Avx2.MultiplyAddAdjacent(first, Vector256.Create(*(int*)values).AsSByte())
            + Vector256.Create(*start).AsInt16();
        four += Avx2.MultiplyAddAdjacent(second, Vector256.Create(*(int*)(values + 4)).AsSByte());
        sum += Avx2.MultiplyAddAdjacent(four, scale);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddSignedQuads(ref Vector256<int> sum, Vector256<sbyte> first, Vector256<sbyte> second,
        sbyte* values, Vector256<short> scale)
    {
        Vector256<sbyte> x = Vector256.Create(*(int*)values).AsSByte(), y = Vector256.Create(*(int*)(values + 4)).AsSByte();
        sum += Avx2.MultiplyAddAdjacent(SignedProducts(first, x), scale);
        sum += Avx2.MultiplyAddAdjacent(SignedProducts(second, y), scale);
    }

    /// <summary>Where up to 256 columns begin in the arrays of the first of the tokens; the others' are as far on as blocks tell.</summary>
    private readonly struct Section(sbyte* values, int* shifts, int* starts, nint blocksPerToken)
    {
        public readonly sbyte* Values = values;
        public readonly int* Shifts = shifts;
        public readonly int* Starts = starts;
        public readonly nint BlocksPerToken = blocksPerToken;
    }
}
