using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.X86;

/// <summary>
/// Packed weights with AVX-VNNI: VPDPBUSD (the form that does not saturate) adds four products to an int32, sub-scales multiply sums of 16
/// or 32 columns.
/// </summary>
internal readonly unsafe partial struct VnniArithmetic<TDot> : IPackedArithmetic
    where TDot : struct, IByteDot
{
    /// <summary>How far ahead of the products weights are asked for.</summary>
    private const int PrefetchBytes = 8192;

    /// <summary>Int 0 for all columns that share a sub-scale, int 4 for the second 16 where those are 16.</summary>
    public static void Starts<TCodes>(sbyte* values, int* starts)
        where TCodes : struct, IPackedCodes
    {
        Vector128<sbyte> bias = Vector128.Create((sbyte)-TCodes.Bias);
        int first = Sum(Vector128.Load(values), bias), second = Sum(Vector128.Load(values + 16), bias);
        starts[0] = TCodes.HasScalePer16 ? first : first + second;
        starts[4] = second;
    }

    /// <summary>Each lane has the scale as int32.</summary>
    public static void Scales(sbyte* subScales, byte* target)
    {
        Vector256<int> scales = Avx2.ConvertToVector256Int32(subScales);
        scales.Store((int*)target);
        scales += scales;
        scales.Store((int*)target + 8);
        scales += scales;
        scales.Store((int*)target + 16);
        scales += scales;
        scales.Store((int*)target + 24);
    }

    public static void MultiplyGroup<TCodes, TTokens>(byte* group, nint codeOffset, in BiasedCodebook codebook,
        in PackedActivations x, int firstToken, byte* tokens, float* y)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount
    {
        if (TTokens.Count == 1) MultiplyOne<TCodes>(group, codeOffset, codebook, x, firstToken, tokens, y);
        else MultiplySeveral<TCodes, TTokens>(group, codeOffset, codebook, x, firstToken, tokens, y);
    }

    private static void MultiplyOne<TCodes>(byte* group, nint codeOffset, in BiasedCodebook codebook,
        in PackedActivations x, int token, byte* tokens, float* y)
        where TCodes : struct, IPackedCodes
    {
        Vector256<byte> table = codebook.Lower, upper = codebook.Upper;
        Vector256<float> accumulator = Vector256<float>.Zero;
        sbyte* subScales = (sbyte*)group + PackedLayout.SubScaleOffset, values = x.Values + (long)token * x.Columns;
        byte* codes = group + codeOffset;
        int* shift = x.Shifts + (long)token * x.Blocks, starts = (int*)(tokens + 32);
        float* scale = x.Scales + (long)token * x.ScaleCount;
        for (int blocks = x.Blocks; blocks > 0; blocks -= PackedActivations.ScaleBlocks, scale++)
        {
            Vector256<int> sum = Vector256<int>.Zero;
            for (int b = Math.Min(blocks, PackedActivations.ScaleBlocks); b > 0; b--, codes += TCodes.BlockBytes, values += 32,
                starts += TokenBlockBytes / sizeof(int), shift++)
            {
                Vector256<uint> shifts = Vector256.Create((uint)*shift);
                Vector256<int> first = TCodes.HasCodebook ? Vector256.Create(starts[0]) : Vector256<int>.Zero;
                Vector256<int> second = TCodes.HasScalePer16 ? Vector256.Create(starts[1]) : Vector256<int>.Zero;
                if (TCodes.HasCodebook && !TCodes.AreNibbles) AddQuads<TCodes>(codes, table, upper, values, ref first, ref second);
                for (int quad = 0; quad < 4 && (TCodes.AreNibbles || !TCodes.HasCodebook); quad++)
                {
                    Sse.Prefetch0(codes + PrefetchBytes + 32 * quad);
                    if (TCodes.HasCodebook) AddCodes(codes + 32 * quad, table, values + 4 * quad, ref first, ref second);
                    else AddBytes(codes + 32 * quad, values + 4 * quad, ref first, ref second);
                }
                if (TCodes.HasScalePer16)
                {
                    sum += first * Avx2.ShiftLeftLogicalVariable(Avx2.ConvertToVector256Int32(subScales), shifts);
                    sum += second * Avx2.ShiftLeftLogicalVariable(Avx2.ConvertToVector256Int32(subScales + 8), shifts);
                    subScales += 16;
                }
                else
                {
                    sum += (first + second) * Avx2.ShiftLeftLogicalVariable(Avx2.ConvertToVector256Int32(subScales), shifts);
                    subScales += 8;
                }
            }
            accumulator = Fma.MultiplyAdd(Vector256.Create(*scale), Vector256.ConvertToSingle(sum), accumulator);
        }
        (accumulator * Vector256.Load((float*)group)).Store(y);
    }

    /// <summary>A quad of the first 16 columns and one of the second 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddCodes(byte* codes, Vector256<byte> table, sbyte* values, ref Vector256<int> first, ref Vector256<int> second)
    {
        Vector256<byte> low = Vector256.Create((byte)15), both = Vector256.Load(codes);
        first = TDot.AccumulateWide(first, Avx2.Shuffle(table, both & low), Broadcast(values));
        second = TDot.AccumulateWide(second, Avx2.Shuffle(table, (both.AsUInt16() >> 4).AsByte() & low), Broadcast(values + 16));
    }

    /// <summary>Eight quads, of codes that are not nibbles; the sum is that of both.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddQuads<TCodes>(byte* codes, Vector256<byte> table, Vector256<byte> upper, sbyte* values, ref Vector256<int> first,
        ref Vector256<int> second)
        where TCodes : struct, IPackedCodes
    {
        Sse.Prefetch0(codes + PrefetchBytes);
        Sse.Prefetch0(codes + (PrefetchBytes + 64));
        if (TCodes.BlockBytes > 128) Sse.Prefetch0(codes + (PrefetchBytes + 128));
        first = TDot.AccumulateWide(first, TCodes.Quad(codes, table, upper, 0), Broadcast(values));
        second = TDot.AccumulateWide(second, TCodes.Quad(codes, table, upper, 1), Broadcast(values + 4));
        first = TDot.AccumulateWide(first, TCodes.Quad(codes, table, upper, 2), Broadcast(values + 8));
        second = TDot.AccumulateWide(second, TCodes.Quad(codes, table, upper, 3), Broadcast(values + 12));
        first = TDot.AccumulateWide(first, TCodes.Quad(codes, table, upper, 4), Broadcast(values + 16));
        second = TDot.AccumulateWide(second, TCodes.Quad(codes, table, upper, 5), Broadcast(values + 20));
        first = TDot.AccumulateWide(first, TCodes.Quad(codes, table, upper, 6), Broadcast(values + 24));
        second = TDot.AccumulateWide(second, TCodes.Quad(codes, table, upper, 7), Broadcast(values + 28));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddBytes(byte* codes, sbyte* values, ref Vector256<int> first, ref Vector256<int> second)
    {
        first = AddSigned(first, Vector256.Load((sbyte*)codes), Broadcast(values));
        second = AddSigned(second, Vector256.Load((sbyte*)codes + 128), Broadcast(values + 16));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> AddSigned(Vector256<int> sum, Vector256<sbyte> codes, Vector256<sbyte> x) =>
        TDot.AccumulateWide(sum, Avx2.Abs(codes), Avx2.Sign(x, codes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Broadcast(sbyte* values) => Vector256.Create(*(int*)values).AsSByte();

    private static int Sum(Vector128<sbyte> values, Vector128<sbyte> factor)
    {
        Vector256<short> products = Avx2.ConvertToVector256Int16(values) * Avx2.ConvertToVector256Int16(factor);
        return Vector256.Sum(Avx2.MultiplyAddAdjacent(products, Vector256<short>.One));
    }

    public static void MultiplyTile<TCodes, TTokens>(in PackedPanel panel, int blocks, byte* tile, float* accumulators)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount
    {
        int* sums = stackalloc int[4 * 16];
        byte* a = panel.FirstCodes, b = panel.SecondCodes, aScales = panel.FirstScales, bScales = panel.SecondScales;
        for (; blocks > 0; blocks -= PackedActivations.ScaleBlocks)
        {
            new Span<int>(sums, TTokens.Count * 16).Clear();
            float* scales = (float*)(tile + PackedTile.Scales);
            for (int block = Math.Min(blocks, PackedActivations.ScaleBlocks); block > 0; block--, tile += PackedTile.BlockBytes)
            {
                for (int half = 0; half < (TCodes.HasScalePer16 ? 2 : 1); half++, aScales += PackedPanel.ScaleBytes,
                    bScales += PackedPanel.ScaleBytes)
                {
                    int quads = TCodes.HasScalePer16 ? 4 : 8;
                    AddColumns<TTokens>(a, b, aScales, bScales, tile, half, quads, sums);
                    a += 32 * quads;
                    b += 32 * quads;
                }
            }
            for (int t = 0; t < TTokens.Count; t++)
            {
                Vector256<float> scale = Vector256.Create(scales[t]);
                float* target = accumulators + 16 * t;
                Fma.MultiplyAdd(scale, Vector256.ConvertToSingle(Vector256.Load(sums + 16 * t)), Vector256.Load(target)).Store(target);
                Fma.MultiplyAdd(scale, Vector256.ConvertToSingle(Vector256.Load(sums + 16 * t + 8)), Vector256.Load(target + 8))
                    .Store(target + 8);
            }
        }
    }

    /// <summary>Adds the columns of one sub-scale.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AddColumns<TTokens>(byte* a, byte* b, byte* aScales, byte* bScales, byte* tile, int half, int quads, int* sums)
        where TTokens : struct, ITokenCount
    {
        // a: rows 0 to 7, b: rows 8 to 15, of tokens 0 to 3
        int* starts = (int*)(tile + PackedTile.Starts) + 4 * half;
        Vector256<int> a0 = Vector256.Create(*starts), a1 = Vector256.Create(starts[8]), a2 = Vector256.Create(starts[16]),
            a3 = Vector256.Create(starts[24]);
        Vector256<int> b0 = a0, b1 = a1, b2 = a2, b3 = a3;
        for (sbyte* values = (sbyte*)tile + 16 * half; quads > 0; quads--, a += 32, b += 32, values += 4)
        {
            Vector256<byte> aCodes = Vector256.Load(a), bCodes = Vector256.Load(b);
            Vector256<sbyte> x = Broadcast(values);
            a0 = TDot.AccumulateWide(a0, aCodes, x);
            b0 = TDot.AccumulateWide(b0, bCodes, x);
            if (TTokens.Count > 1)
            {
                x = Broadcast(values + 32);
                a1 = TDot.AccumulateWide(a1, aCodes, x);
                b1 = TDot.AccumulateWide(b1, bCodes, x);
            }
            if (TTokens.Count > 2)
            {
                x = Broadcast(values + 64);
                a2 = TDot.AccumulateWide(a2, aCodes, x);
                b2 = TDot.AccumulateWide(b2, bCodes, x);
                x = Broadcast(values + 96);
                a3 = TDot.AccumulateWide(a3, aCodes, x);
                b3 = TDot.AccumulateWide(b3, bCodes, x);
            }
        }
        int* offsets = (int*)(tile + PackedTile.Offsets);
        Scale(a0, b0, aScales + offsets[0], bScales + offsets[0], sums);
        if (TTokens.Count > 1) Scale(a1, b1, aScales + offsets[1], bScales + offsets[1], sums + 16);
        if (TTokens.Count <= 2) return;
        Scale(a2, b2, aScales + offsets[2], bScales + offsets[2], sums + 32);
        Scale(a3, b3, aScales + offsets[3], bScales + offsets[3], sums + 48);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Scale(Vector256<int> a, Vector256<int> b, byte* aScale, byte* bScale, int* sums)
    {
        (Vector256.Load(sums) + a * Vector256.Load((int*)aScale)).Store(sums);
        (Vector256.Load(sums + 8) + b * Vector256.Load((int*)bScale)).Store(sums + 8);
    }
}
