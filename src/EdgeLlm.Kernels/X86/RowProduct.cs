using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Kernels.X86;

/// <summary>
/// Eight rows times one token, straight from the file's blocks. Lanes are columns while codes are multiplied; per block the sums of eight
/// rows are brought into the lanes of one vector, for one conversion and one fused multiply-add.
/// </summary>
internal static unsafe class RowProduct<TDot, TFormat>
    where TDot : struct, IByteDot
    where TFormat : struct, IBlockFormat
{
    /// <summary>From one sub-block's scales to the next in scratch: two halves of scales and two of offsets.</summary>
    private const int SubBlockStride = 4 * WeightPanel.Rows;

    /// <summary>How many blocks are multiplied at a time.</summary>
    private const int SectionBlocks = 16;

    /// <summary>Expanded codes of two rows: 256 columns of each.</summary>
    private const int PairBytes = 512;

    private const int ScaleFloats = SectionBlocks * SubBlockStride;

    /// <summary>Scales, then expanded codes of four pairs of rows.</summary>
    public const int ScratchFloats = ScaleFloats + 4 * PairBytes / sizeof(float);

    /// <summary>
    /// True of six-bit codes with a scale per 16 columns: their products stay narrow until two rows are joined (63 * 127 * 4 = 32004).
    /// </summary>
    private static bool IsNarrowPair
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TFormat.Range == CodeRange.SixBits && TFormat.HasScalePer16;
    }

    /// <param name="rows">Eight rows, <paramref name="stride"/> bytes apart.</param>
    /// <param name="starts">Per block two ints, as in <see cref="TokenTile"/>; not used without a bias.</param>
    /// <param name="scratch"><see cref="ScratchFloats"/>.</param>
    /// <remarks>
    /// Scales in a loop of their own: two short chains of instructions overlap better than a long one. And in a method of their own: all in
    /// one was too much for the compiler's inlining budget.
    /// </remarks>
    public static Vector256<float> Multiply(byte* rows, nint stride, in QuantizedActivations x, int* starts, float* scratch)
    {
        Vector256<float> sum = Vector256<float>.Zero;
        byte* prefetch = rows + 8 * stride; // the next eight rows: without it, Zen 3 streams from memory at 60% of the speed
        for (int done = 0; done < x.Blocks; done += SectionBlocks)
        {
            int blocks = Math.Min(x.Blocks - done, SectionBlocks);
            UnpackScales(rows, stride, blocks, scratch);
            sum = TFormat.PairsSubBlocks
                ? AddPairs(sum, rows, stride, x, done, blocks, scratch, prefetch)
                : AddBlocks(sum, rows, stride, x, done, blocks, starts, scratch, prefetch);
            long bytes = (blocks + TFormat.SubBlocks - 1) / TFormat.SubBlocks * TFormat.BlockBytes;
            rows += bytes;
            prefetch += 8 * bytes;
        }
        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void UnpackScales(byte* rows, nint stride, int blocks, float* scales)
    {
        for (; blocks > 0; blocks -= TFormat.SubBlocks, rows += TFormat.BlockBytes, scales += TFormat.SubBlocks * SubBlockStride)
            TFormat.Scales(rows, stride, scales, SubBlockStride);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Expand(byte* rows, nint stride, byte* codes)
    {
        for (int pair = 0; pair < 4; pair++, rows += stride, codes += PairBytes) TFormat.Expand(rows, rows + 4 * stride, codes);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Vector256<float> AddBlocks(
        Vector256<float> sum, byte* rows, nint stride, in QuantizedActivations x, int firstBlock, int blocks, int* starts,
        float* scales, byte* prefetch)
    {
        sbyte* values = x.Values + 32L * firstBlock;
        float* activationScale = x.Scales + firstBlock, scaledSum = x.ScaledSums + firstBlock;
        int* sums = x.Sums + 2 * firstBlock;
        starts += 2 * firstBlock;
        int subBlock = 0;
        byte* codes = (byte*)(scales + ScaleFloats), next = codes;
        for (; blocks > 0; blocks--, values += 32, scales += SubBlockStride, activationScale++, scaledSum++, sums += 2, starts += 2)
        {
            for (int line = 0; line < 8 * TFormat.BlockBytes / TFormat.SubBlocks; line += 64) Sse.Prefetch0(prefetch + line);
            prefetch += 8 * TFormat.BlockBytes / TFormat.SubBlocks;
            if (TFormat.Expands && subBlock == 0)
            {
                Expand(rows, stride, codes);
                next = codes;
            }
            if (TFormat.HasScalePer16)
            {
                SumHalves(rows, stride, subBlock, next, values, out Vector256<int> first, out Vector256<int> second);
                sum = Add(sum, first, starts, scales, activationScale, Vector256.Create(*activationScale * sums[0]));
                sum = Add(sum, second, starts + 1, scales + WeightPanel.Rows, activationScale,
                    Vector256.Create(*activationScale * sums[1]));
            }
            else
            {
                sum = Add(sum, Sum(rows, stride, subBlock, next, values), starts, scales, activationScale, Vector256.Create(*scaledSum));
            }
            next += 64;
            if (++subBlock < TFormat.SubBlocks) continue;
            subBlock = 0;
            rows += TFormat.BlockBytes;
        }
        return sum;
    }

    /// <summary>Two sub-blocks of 32 columns at a time, of four-bit codes without a bias: a byte has a column of both.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Vector256<float> AddPairs(Vector256<float> sum, byte* rows, nint stride, in QuantizedActivations x, int firstBlock,
        int blocks, float* scales, byte* prefetch)
    {
        sbyte* values = x.Values + 32L * firstBlock;
        float* activationScale = x.Scales + firstBlock, scaledSum = x.ScaledSums + firstBlock;
        int pair = 0;
        for (; blocks > 0; blocks -= 2, values += 64, scales += 2 * SubBlockStride, activationScale += 2, scaledSum += 2)
        {
            for (int line = 0; line < 16 * TFormat.BlockBytes / TFormat.SubBlocks; line += 64) Sse.Prefetch0(prefetch + line);
            prefetch += 16 * TFormat.BlockBytes / TFormat.SubBlocks;
            SumTwo(rows, stride, pair, values, out Vector256<int> first, out Vector256<int> second);
            sum = Add(sum, first, null, scales, activationScale, Vector256.Create(*scaledSum));
            sum = Add(sum, second, null, scales + SubBlockStride, activationScale + 1, Vector256.Create(scaledSum[1]));
            if (2 * ++pair < TFormat.SubBlocks) continue;
            pair = 0;
            rows += TFormat.BlockBytes;
        }
        return sum;
    }

    /// <summary>The sums of two sub-blocks of 32 columns for the eight rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SumTwo(byte* rows, nint stride, int pair, sbyte* values, out Vector256<int> first, out Vector256<int> second)
    {
        Vector256<sbyte> x0 = Twice(values), y0 = Twice(values + 16), x1 = Twice(values + 32), y1 = Twice(values + 48);
        nint stride4 = 4 * stride;
        byte* row1 = rows + stride, row2 = rows + 2 * stride, row3 = row2 + stride;
        ProductsOfTwo(rows, rows + stride4, pair, x0, y0, x1, y1, out Vector256<int> a0, out Vector256<int> b0);
        ProductsOfTwo(row1, row1 + stride4, pair, x0, y0, x1, y1, out Vector256<int> a1, out Vector256<int> b1);
        Vector256<int> a01 = JoinRows(a0, a1), b01 = JoinRows(b0, b1);
        ProductsOfTwo(row2, row2 + stride4, pair, x0, y0, x1, y1, out a0, out b0);
        ProductsOfTwo(row3, row3 + stride4, pair, x0, y0, x1, y1, out a1, out b1);
        first = JoinPairs(a01, JoinRows(a0, a1));
        second = JoinPairs(b01, JoinRows(b0, b1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ProductsOfTwo(
        byte* lower, byte* upper, int pair, Vector256<sbyte> x0, Vector256<sbyte> y0, Vector256<sbyte> x1, Vector256<sbyte> y1,
        out Vector256<int> first, out Vector256<int> second)
    {
        TFormat.Pair(lower, upper, pair, 0, out Vector256<byte> low, out Vector256<byte> high);
        first = TDot.Accumulate(Vector256<int>.Zero, low, x0);
        second = TDot.Accumulate(Vector256<int>.Zero, high, x1);
        TFormat.Pair(lower, upper, pair, 16, out low, out high);
        first = TDot.Accumulate(first, low, y0);
        second = TDot.Accumulate(second, high, y1);
    }

    /// <summary>The sums of 32 columns for the eight rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Sum(byte* rows, nint stride, int subBlock, byte* codes, sbyte* values)
    {
        Vector256<sbyte> x = Twice(values), y = Twice(values + 16);
        nint stride4 = 4 * stride;
        byte* row1 = rows + stride, row2 = rows + 2 * stride, row3 = row2 + stride;
        return JoinPairs(
            JoinRows(Products(rows, rows + stride4, subBlock, codes, x, y),
                Products(row1, row1 + stride4, subBlock, codes + PairBytes, x, y)),
            JoinRows(Products(row2, row2 + stride4, subBlock, codes + 2 * PairBytes, x, y),
                Products(row3, row3 + stride4, subBlock, codes + 3 * PairBytes, x, y)));
    }

    /// <summary>The sums of each 16 columns for the eight rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SumHalves(byte* rows, nint stride, int subBlock, byte* codes, sbyte* values, out Vector256<int> first,
        out Vector256<int> second)
    {
        Vector256<sbyte> x = Twice(values), y = Twice(values + 16);
        nint stride4 = 4 * stride;
        byte* row1 = rows + stride, row2 = rows + 2 * stride, row3 = row2 + stride;
        Codes(rows, rows + stride4, subBlock, codes, out Vector256<byte> first0, out Vector256<byte> second0);
        Codes(row1, row1 + stride4, subBlock, codes + PairBytes, out Vector256<byte> first1, out Vector256<byte> second1);
        Vector256<int> first01 = JoinRows(Product(first0, x), Product(first1, x)),
            second01 = JoinRows(Product(second0, y), Product(second1, y));
        Codes(row2, row2 + stride4, subBlock, codes + 2 * PairBytes, out Vector256<byte> first2, out Vector256<byte> second2);
        Codes(row3, row3 + stride4, subBlock, codes + 3 * PairBytes, out Vector256<byte> first3, out Vector256<byte> second3);
        Vector256<int> first23 = JoinRows(Product(first2, x), Product(first3, x)),
            second23 = JoinRows(Product(second2, y), Product(second3, y));
        first = JoinPairs(first01, first23);
        second = JoinPairs(second01, second23);
    }

    /// <summary>A sub-block's codes of two rows: from the file, or where they were expanded.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Codes(byte* lower, byte* upper, int subBlock, byte* codes, out Vector256<byte> first, out Vector256<byte> second)
    {
        if (TFormat.Expands)
        {
            first = Vector256.Load(codes);
            second = Vector256.Load(codes + 32);
        }
        else
        {
            TFormat.Codes(lower, upper, subBlock, out first, out second);
        }
    }

    /// <summary>
    /// Sums for a row in the lower half and the row four further in the upper one. Narrow for codes of four bits, else wide.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Products(byte* lower, byte* upper, int subBlock, byte* codes, Vector256<sbyte> x, Vector256<sbyte> y)
    {
        Codes(lower, upper, subBlock, codes, out Vector256<byte> first, out Vector256<byte> second);
        return TFormat.Range switch
        {
            CodeRange.FourBits => TDot.Accumulate(TDot.Accumulate(Vector256<int>.Zero, first, x), second, y),
            CodeRange.SixBits => TDot.AccumulateWide(Vector256<int>.Zero, first, x, second, y),
            _ => TDot.AccumulateWide(Product(first, x), Avx2.Abs(second.AsSByte()), Avx2.Sign(y, second.AsSByte())),
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Product(Vector256<byte> codes, Vector256<sbyte> x) => TFormat.Range switch
    {
        CodeRange.FourBits or CodeRange.SixBits => TDot.Accumulate(Vector256<int>.Zero, codes, x),
        _ => TDot.AccumulateWide(Vector256<int>.Zero, Avx2.Abs(codes.AsSByte()), Avx2.Sign(x, codes.AsSByte())),
    };

    /// <summary>Rows r, r + 4 and r + 1, r + 5: lanes take turns, with the sums of two neighbours added.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> JoinRows(Vector256<int> a, Vector256<int> b)
    {
        Vector256<int> sums = Add(Avx2.UnpackLow(a, b), Avx2.UnpackHigh(a, b));
        return IsNarrowPair ? TDot.Widen(sums) : sums;
    }

    /// <summary>Joins pairs of lanes of wide sums: rows 0 to 7 are in their lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> JoinPairs(Vector256<int> a, Vector256<int> b)
    {
        Vector256<int> left = Avx2.UnpackLow(a.AsInt64(), b.AsInt64()).AsInt32(),
            right = Avx2.UnpackHigh(a.AsInt64(), b.AsInt64()).AsInt32();
        return TFormat.Range == CodeRange.FourBits ? TDot.Widen(TDot.Add(left, right)) : left + right;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Add(Vector256<int> a, Vector256<int> b) =>
        TFormat.Range == CodeRange.FourBits || IsNarrowPair ? TDot.Add(a, b) : a + b;

    /// <summary>16 activations in both halves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Twice(sbyte* values) => Avx2.BroadcastVector128ToVector256(values);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Add(
        Vector256<float> sum, Vector256<int> dots, int* start, float* scales, float* activationScale, Vector256<float> scaledSum)
    {
        if (TFormat.Bias != 0) dots += Vector256.Create(*start);
        sum = Fma.MultiplyAdd(Vector256.Load(scales) * Vector256.Create(*activationScale), Vector256.ConvertToSingle(dots), sum);
        if (!TFormat.HasOffset) return sum;
        return Fma.MultiplyAdd(Vector256.Load(scales + WeightPanel.OffsetsAfterScales<TFormat>()), scaledSum, sum);
    }
}
