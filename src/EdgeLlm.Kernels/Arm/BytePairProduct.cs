using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// SMULL and SMLAL: E8 times many tokens, two at a time. A lane of int16 adds up the products of a row's every fourth column: exact over
/// all 32 columns where the magnitudes of its eight weights sum to at most 258 (127 * 258 is an int16), as those of most blocks do, and
/// over 16 columns where those of four do; blocks with larger weights are left to sums of two products.
/// </summary>
internal static unsafe class BytePairProduct
{
    private const int MostSum = 258;
    private const int BlockBytes = PackedPanel.BlockBytes;

    /// <summary>How many of a row's products a lane of int16 takes.</summary>
    private const byte Eight = 0, Four = 1, Two = 2;

    public static void Multiply(in WeightMatrix weights, in PackedActivations x, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch)
    {
        nint codeOffset = (nint)weights.Layout.CodeOffset;
        byte* group = weights.Group(firstRow);
        for (int r = firstRow; r < endRow; r += PackedLayout.GroupRows, group += weights.GroupBytes)
        {
            FindSums((sbyte*)group + codeOffset, x.Blocks, scratch);
            if (endRow - r >= PackedLayout.GroupRows) MultiplyGroup(group, codeOffset, scratch, x, tokens, y + r, yStride);
            else MultiplySome(group, codeOffset, scratch, x, tokens, y + r, yStride, endRow - r);
        }
    }

    private static void MultiplyGroup(byte* group, nint codeOffset, byte* kinds, in PackedActivations x, int tokens, float* y, nint yStride)
    {
        for (nint t = 0; t < tokens; t += 2)
        {
            nint second = nint.Min(t + 1, tokens - 1);
            MultiplyPair(group, codeOffset, kinds, x, t, second, y + t * yStride, y + second * yStride);
        }
    }

    /// <summary>The last rows of a matrix, fewer than eight.</summary>
    private static void MultiplySome(byte* group, nint codeOffset, byte* kinds, in PackedActivations x, int tokens, float* y, nint yStride,
        int rows)
    {
        float* whole = stackalloc float[2 * PackedLayout.GroupRows];
        for (nint t = 0; t < tokens; t += 2)
        {
            nint second = nint.Min(t + 1, tokens - 1);
            MultiplyPair(group, codeOffset, kinds, x, t, second, whole, whole + PackedLayout.GroupRows);
            RowLanes.Load(whole).Store(y + t * yStride, rows);
            RowLanes.Load(whole + PackedLayout.GroupRows).Store(y + second * yStride, rows);
        }
    }

    /// <summary>Finds the sums that each block of a group allows.</summary>
    private static void FindSums(sbyte* w, nint blocks, byte* kinds)
    {
        for (; blocks > 0; blocks--, w += BlockBytes, kinds++)
        {
            (Vector128<ushort> a, Vector128<ushort> aLargest) = Magnitudes(w);
            (Vector128<ushort> b, Vector128<ushort> bLargest) = Magnitudes(w + 16);
            ushort sum = AdvSimd.Arm64.MaxAcross(AdvSimd.Max(a, b)).ToScalar(),
                half = AdvSimd.Arm64.MaxAcross(AdvSimd.Max(aLargest, bLargest)).ToScalar();
            *kinds = sum <= MostSum ? Eight : half <= MostSum ? Four : Two;
        }
    }

    /// <summary>The largest sums of magnitudes over eight quads of four rows, and over the first and the last four.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<ushort> Eight, Vector128<ushort> Four) Magnitudes(sbyte* w)
    {
        Vector128<sbyte> zero = Vector128<sbyte>.Zero;
        Vector128<ushort> low = Vector128<ushort>.Zero, high = low, lowSecond = low, highSecond = low;
        for (nint quad = 0; quad < 4; quad++)
        {
            Vector128<sbyte> first = Vector128.Load(w + 32 * quad), second = Vector128.Load(w + 128 + 32 * quad);
            low = AdvSimd.AbsoluteDifferenceWideningLowerAndAdd(low.AsInt16(), first.GetLower(), zero.GetLower()).AsUInt16();
            high = AdvSimd.AbsoluteDifferenceWideningUpperAndAdd(high.AsInt16(), first, zero).AsUInt16();
            lowSecond = AdvSimd.AbsoluteDifferenceWideningLowerAndAdd(lowSecond.AsInt16(), second.GetLower(), zero.GetLower()).AsUInt16();
            highSecond = AdvSimd.AbsoluteDifferenceWideningUpperAndAdd(highSecond.AsInt16(), second, zero).AsUInt16();
        }
        return (AdvSimd.Max(low + lowSecond, high + highSecond),
            AdvSimd.Max(AdvSimd.Max(low, lowSecond), AdvSimd.Max(high, highSecond)));
    }

    /// <summary>A group of eight rows times two tokens.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void MultiplyPair(byte* group, nint codeOffset, byte* kinds, in PackedActivations x, nint t0, nint t1, float* y0,
        float* y1)
    {
        sbyte* subScales = (sbyte*)group + PackedLayout.SubScaleOffset, w = (sbyte*)group + codeOffset,
            values0 = x.Values + t0 * x.Columns, values1 = x.Values + t1 * x.Columns;
        int* shifts0 = x.Shifts + t0 * x.Blocks, shifts1 = x.Shifts + t1 * x.Blocks;
        float* scale0 = x.Scales + t0 * x.ScaleCount, scale1 = x.Scales + t1 * x.ScaleCount;
        RowLanes result0 = RowLanes.Zero, result1 = RowLanes.Zero;
        for (nint left = x.Blocks; left > 0; left -= PackedActivations.ScaleBlocks)
        {
            RowSums sum0 = default, sum1 = default;
            for (nint b = nint.Min(left, PackedActivations.ScaleBlocks); b > 0; b--)
            {
                RowSums dots0, dots1;
                if (*kinds == Eight) AddEight(w, values0, values1, out dots0, out dots1);
                else AddFewer(*kinds, w, values0, values1, out dots0, out dots1);
                Vector128<short> scales = AdvSimd.SignExtendWideningLower(Vector64.Load(subScales));
                sum0.AddShifted(dots0, scales, AdvSimd.LoadAndReplicateToVector128((short*)shifts0));
                sum1.AddShifted(dots1, scales, AdvSimd.LoadAndReplicateToVector128((short*)shifts1));
                w += BlockBytes;
                values0 += 32;
                values1 += 32;
                subScales += PackedLayout.GroupRows;
                shifts0++;
                shifts1++;
                kinds++;
            }
            result0 = result0.AddScaled(*scale0++, sum0);
            result1 = result1.AddScaled(*scale1++, sum1);
        }
        RowLanes rowScales = RowLanes.Load((float*)group);
        result0.Times(rowScales).Store(y0);
        result1.Times(rowScales).Store(y1);
    }

    /// <summary>32 columns, eight products to an int16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddEight(sbyte* w, sbyte* values0, sbyte* values1, out RowSums dots0, out RowSums dots1)
    {
        BeginHalf(w, values0, values1, out Products r, out Products s);
        var x = AdvSimd.Arm64.LoadAndReplicateToVector128x4((int*)values0 + 4);
        var z = AdvSimd.Arm64.LoadAndReplicateToVector128x4((int*)values1 + 4);
        Vector128<sbyte> p = Vector128.Load(w + 128), q = Vector128.Load(w + 144);
        r = r.Plus(p, q, x.Item1.AsSByte());
        s = s.Plus(p, q, z.Item1.AsSByte());
        p = Vector128.Load(w + 160);
        q = Vector128.Load(w + 176);
        r = r.Plus(p, q, x.Item2.AsSByte());
        s = s.Plus(p, q, z.Item2.AsSByte());
        p = Vector128.Load(w + 192);
        q = Vector128.Load(w + 208);
        r = r.Plus(p, q, x.Item3.AsSByte());
        s = s.Plus(p, q, z.Item3.AsSByte());
        p = Vector128.Load(w + 224);
        q = Vector128.Load(w + 240);
        dots0 = r.Plus(p, q, x.Item4.AsSByte()).Sum();
        dots1 = s.Plus(p, q, z.Item4.AsSByte()).Sum();
    }

    /// <summary>32 columns, four products to an int16, or two.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AddFewer(byte kind, sbyte* w, sbyte* values0, sbyte* values1, out RowSums dots0, out RowSums dots1)
    {
        if (kind == Two)
        {
            E8Group32WideningDots.Sum((byte*)w, default, default, values0, 0, out dots0, out _);
            E8Group32WideningDots.Sum((byte*)w, default, default, values1, 0, out dots1, out _);
            return;
        }
        BeginHalf(w, values0, values1, out Products r, out Products s);
        RowSums first0 = r.Sum(), first1 = s.Sum();
        BeginHalf(w + 128, values0 + 16, values1 + 16, out r, out s);
        dots0 = first0.Plus(r.Sum());
        dots1 = first1.Plus(s.Sum());
    }

    /// <summary>16 columns times two tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void BeginHalf(sbyte* w, sbyte* values0, sbyte* values1, out Products r, out Products s)
    {
        var x = AdvSimd.Arm64.LoadAndReplicateToVector128x4((int*)values0);
        var z = AdvSimd.Arm64.LoadAndReplicateToVector128x4((int*)values1);
        Vector128<sbyte> p = Vector128.Load(w), q = Vector128.Load(w + 16);
        r = Products.Of(p, q, x.Item1.AsSByte());
        s = Products.Of(p, q, z.Item1.AsSByte());
        p = Vector128.Load(w + 32);
        q = Vector128.Load(w + 48);
        r = r.Plus(p, q, x.Item2.AsSByte());
        s = s.Plus(p, q, z.Item2.AsSByte());
        p = Vector128.Load(w + 64);
        q = Vector128.Load(w + 80);
        r = r.Plus(p, q, x.Item3.AsSByte());
        s = s.Plus(p, q, z.Item3.AsSByte());
        p = Vector128.Load(w + 96);
        q = Vector128.Load(w + 112);
        r = r.Plus(p, q, x.Item4.AsSByte());
        s = s.Plus(p, q, z.Item4.AsSByte());
    }

    /// <summary>Sums of a token's products with eight rows: four int16 a pair of rows. Four fields stay in registers.</summary>
    private readonly struct Products(Vector128<short> r01, Vector128<short> r23, Vector128<short> r45, Vector128<short> r67)
    {
        private readonly Vector128<short> _r01 = r01, _r23 = r23, _r45 = r45, _r67 = r67;

        /// <summary>Products of four columns: rows 0 to 3 in <paramref name="p"/>, 4 to 7 in <paramref name="q"/>.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Products Of(Vector128<sbyte> p, Vector128<sbyte> q, Vector128<sbyte> x) =>
            new(AdvSimd.MultiplyWideningLower(p.GetLower(), x.GetLower()), AdvSimd.MultiplyWideningUpper(p, x),
                AdvSimd.MultiplyWideningLower(q.GetLower(), x.GetLower()), AdvSimd.MultiplyWideningUpper(q, x));

        /// <summary>These and the products of four more columns.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Products Plus(Vector128<sbyte> p, Vector128<sbyte> q, Vector128<sbyte> x) =>
            new(AdvSimd.MultiplyWideningLowerAndAdd(_r01, p.GetLower(), x.GetLower()), AdvSimd.MultiplyWideningUpperAndAdd(_r23, p, x),
                AdvSimd.MultiplyWideningLowerAndAdd(_r45, q.GetLower(), x.GetLower()), AdvSimd.MultiplyWideningUpperAndAdd(_r67, q, x));

        /// <summary>The sum of each row.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public RowSums Sum() =>
            new(AdvSimd.Arm64.AddPairwise(AdvSimd.AddPairwiseWidening(_r01), AdvSimd.AddPairwiseWidening(_r23)),
                AdvSimd.Arm64.AddPairwise(AdvSimd.AddPairwiseWidening(_r45), AdvSimd.AddPairwiseWidening(_r67)));
    }
}
