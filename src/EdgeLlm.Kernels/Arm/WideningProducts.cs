using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>SMULL and SMLAL: eight products an instruction, summed in int16 for as long as they fit.</summary>
internal readonly unsafe struct WideningProducts : IIntegerProducts
{
    public static void Multiply<TLayout>(in WeightPanel panel, in QuantizedActivations x, int tokens, float* y, nint yStride, int rows)
        where TLayout : struct, IPanelLayout
    {
        int t = 0;
        if (panel.IsNarrow)
        {
            for (; t <= tokens - 2; t += 2) MultiplyTwo<NarrowSums, TLayout>(panel, x, t, y + t * yStride, yStride, rows);
            if (t < tokens) MultiplyOne<NarrowSums, TLayout>(panel, x, t, y + t * yStride, rows);
        }
        else
        {
            for (; t <= tokens - 2; t += 2) MultiplyTwo<WideSums, TLayout>(panel, x, t, y + t * yStride, yStride, rows);
            if (t < tokens) MultiplyOne<WideSums, TLayout>(panel, x, t, y + t * yStride, rows);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> RowSums(bool isNarrow, Vector128<sbyte> a0, Vector128<sbyte> a1, Vector128<sbyte> b0, Vector128<sbyte> b1,
        Vector128<sbyte> c0, Vector128<sbyte> c1, Vector128<sbyte> d0, Vector128<sbyte> d1, Vector128<sbyte> x0, Vector128<sbyte> x1)
    {
        Vector64<sbyte> y0 = x0.GetLower(), y1 = x1.GetLower();
        Vector128<short> a = AdvSimd.MultiplyWideningUpper(a0, x0);
        Vector128<short> b = AdvSimd.MultiplyWideningUpper(b0, x0);
        Vector128<short> c = AdvSimd.MultiplyWideningUpper(c0, x0);
        Vector128<short> d = AdvSimd.MultiplyWideningUpper(d0, x0);
        a = AdvSimd.MultiplyWideningLowerAndAdd(a, a0.GetLower(), y0);
        b = AdvSimd.MultiplyWideningLowerAndAdd(b, b0.GetLower(), y0);
        c = AdvSimd.MultiplyWideningLowerAndAdd(c, c0.GetLower(), y0);
        d = AdvSimd.MultiplyWideningLowerAndAdd(d, d0.GetLower(), y0);
        if (isNarrow)
        {
            a = AdvSimd.MultiplyWideningUpperAndAdd(a, a1, x1);
            b = AdvSimd.MultiplyWideningUpperAndAdd(b, b1, x1);
            c = AdvSimd.MultiplyWideningUpperAndAdd(c, c1, x1);
            d = AdvSimd.MultiplyWideningUpperAndAdd(d, d1, x1);
            a = AdvSimd.MultiplyWideningLowerAndAdd(a, a1.GetLower(), y1);
            b = AdvSimd.MultiplyWideningLowerAndAdd(b, b1.GetLower(), y1);
            c = AdvSimd.MultiplyWideningLowerAndAdd(c, c1.GetLower(), y1);
            d = AdvSimd.MultiplyWideningLowerAndAdd(d, d1.GetLower(), y1);
            return AdvSimd.Arm64.AddPairwise(
                AdvSimd.AddPairwiseWidening(AdvSimd.Arm64.AddPairwise(a, b)),
                AdvSimd.AddPairwiseWidening(AdvSimd.Arm64.AddPairwise(c, d)));
        }
        Vector128<int> sumA = AdvSimd.AddPairwiseWidening(a), sumB = AdvSimd.AddPairwiseWidening(b);
        Vector128<int> sumC = AdvSimd.AddPairwiseWidening(c), sumD = AdvSimd.AddPairwiseWidening(d);
        a = AdvSimd.MultiplyWideningUpper(a1, x1);
        b = AdvSimd.MultiplyWideningUpper(b1, x1);
        c = AdvSimd.MultiplyWideningUpper(c1, x1);
        d = AdvSimd.MultiplyWideningUpper(d1, x1);
        a = AdvSimd.MultiplyWideningLowerAndAdd(a, a1.GetLower(), y1);
        b = AdvSimd.MultiplyWideningLowerAndAdd(b, b1.GetLower(), y1);
        c = AdvSimd.MultiplyWideningLowerAndAdd(c, c1.GetLower(), y1);
        d = AdvSimd.MultiplyWideningLowerAndAdd(d, d1.GetLower(), y1);
        return AdvSimd.Arm64.AddPairwise(
            AdvSimd.Arm64.AddPairwise(AdvSimd.AddPairwiseWideningAndAdd(sumA, a), AdvSimd.AddPairwiseWideningAndAdd(sumB, b)),
            AdvSimd.Arm64.AddPairwise(AdvSimd.AddPairwiseWideningAndAdd(sumC, c), AdvSimd.AddPairwiseWideningAndAdd(sumD, d)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> RowSums(Vector128<sbyte> a, Vector128<sbyte> b, Vector128<sbyte> c, Vector128<sbyte> d, Vector128<sbyte> x)
    {
        Vector64<sbyte> y = x.GetLower();
        Vector128<short> sumA = AdvSimd.MultiplyWideningUpper(a, x);
        Vector128<short> sumB = AdvSimd.MultiplyWideningUpper(b, x);
        Vector128<short> sumC = AdvSimd.MultiplyWideningUpper(c, x);
        Vector128<short> sumD = AdvSimd.MultiplyWideningUpper(d, x);
        sumA = AdvSimd.MultiplyWideningLowerAndAdd(sumA, a.GetLower(), y);
        sumB = AdvSimd.MultiplyWideningLowerAndAdd(sumB, b.GetLower(), y);
        sumC = AdvSimd.MultiplyWideningLowerAndAdd(sumC, c.GetLower(), y);
        sumD = AdvSimd.MultiplyWideningLowerAndAdd(sumD, d.GetLower(), y);
        // Four products of 63 * 127 fit an int16.
        return AdvSimd.Arm64.AddPairwise(
            AdvSimd.AddPairwiseWidening(AdvSimd.Arm64.AddPairwise(sumA, sumB)),
            AdvSimd.AddPairwiseWidening(AdvSimd.Arm64.AddPairwise(sumC, sumD)));
    }

    private static void MultiplyTwo<TSums, TLayout>(in WeightPanel panel, in QuantizedActivations x, int token,
        float* y, nint yStride, int rows)
        where TSums : struct, IPairSums<TSums>
        where TLayout : struct, IPanelLayout
    {
        RowLanes sum0 = RowLanes.Zero, sum1 = sum0;
        nint cell = (nint)token * x.Blocks, stride = x.Blocks;
        sbyte* w = panel.Values, values = x.Values + cell * 32;
        float* scales = panel.Scales, offsets = panel.Offsets, activationScales = x.Scales + cell, scaledSums = x.ScaledSums + cell;
        int* sums = x.Sums + 2 * cell;
        for (nint g = 0; g < panel.Groups; g++)
        {
            TSums a = default, b = default;
            Accumulate(w, values, values + stride * 32, ref a, ref b);
            if (!TLayout.HasGroupsOf16)
            {
                w += 128;
                values += 16;
                Accumulate(w, values, values + stride * 32, ref a, ref b);
            }
            w += 128;
            values += 16;
            float* activationScale = activationScales + (TLayout.HasGroupsOf16 ? g >> 1 : g);
            RowLanes scale = RowLanes.Load(scales);
            scales += WeightPanel.Rows;
            sum0 = sum0.AddScaled(scale, activationScale[0], a.ToRowLanes());
            sum1 = sum1.AddScaled(scale, activationScale[stride], b.ToRowLanes());
            if (!TLayout.HasOffset) continue;
            RowLanes offset = RowLanes.Load(offsets);
            offsets += WeightPanel.Rows;
            sum0 = sum0.AddOffset(offset, TLayout.HasGroupsOf16 ? activationScale[0] * sums[g] : scaledSums[g]);
            sum1 = sum1.AddOffset(offset, TLayout.HasGroupsOf16 ? activationScale[stride] * sums[g + 2 * stride] : scaledSums[g + stride]);
        }
        sum0.Store(y, rows);
        sum1.Store(y + yStride, rows);
    }

    private static void MultiplyOne<TSums, TLayout>(in WeightPanel panel, in QuantizedActivations x, int token, float* y, int rows)
        where TSums : struct, IPairSums<TSums>
        where TLayout : struct, IPanelLayout
    {
        RowLanes sum = RowLanes.Zero;
        nint cell = (nint)token * x.Blocks;
        sbyte* w = panel.Values, values = x.Values + cell * 32;
        float* scales = panel.Scales, offsets = panel.Offsets, activationScales = x.Scales + cell, scaledSums = x.ScaledSums + cell;
        int* sums = x.Sums + 2 * cell;
        for (nint g = 0; g < panel.Groups; g++)
        {
            TSums a = default;
            Accumulate(w, values, ref a);
            if (!TLayout.HasGroupsOf16)
            {
                w += 128;
                values += 16;
                Accumulate(w, values, ref a);
            }
            w += 128;
            values += 16;
            float activationScale = activationScales[TLayout.HasGroupsOf16 ? g >> 1 : g];
            sum = sum.AddScaled(RowLanes.Load(scales), activationScale, a.ToRowLanes());
            scales += WeightPanel.Rows;
            if (!TLayout.HasOffset) continue;
            sum = sum.AddOffset(RowLanes.Load(offsets), TLayout.HasGroupsOf16 ? activationScale * sums[g] : scaledSums[g]);
            offsets += WeightPanel.Rows;
        }
        sum.Store(y, rows);
    }

    /// <summary>16 columns of eight rows and two tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Accumulate<TSums>(sbyte* w, sbyte* x, sbyte* x1, ref TSums a, ref TSums b) where TSums : struct, IPairSums<TSums>
    {
        Vector128<int> first = Vector128.Load((int*)x), second = Vector128.Load((int*)x1);
        TSums.Add(w, Quad(first, 0), Quad(first, 1), Quad(second, 0), Quad(second, 1), ref a, ref b);
        TSums.Add(w + 64, Quad(first, 2), Quad(first, 3), Quad(second, 2), Quad(second, 3), ref a, ref b);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Accumulate<TSums>(sbyte* w, sbyte* x, ref TSums a) where TSums : struct, IPairSums<TSums>
    {
        Vector128<int> columns = Vector128.Load((int*)x);
        TSums.Add(w, Quad(columns, 0), Quad(columns, 1), ref a);
        TSums.Add(w + 64, Quad(columns, 2), Quad(columns, 3), ref a);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Quad(Vector128<int> columns, [ConstantExpected(Max = (byte)3)] byte lane) =>
        AdvSimd.DuplicateSelectedScalarToVector128(columns, lane).AsSByte();
}
