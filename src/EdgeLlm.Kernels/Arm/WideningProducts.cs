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
    public static Vector128<int> RowSums(bool isNarrow, RowCodes a, RowCodes b, RowCodes c, RowCodes d, Vector128<sbyte> x0,
        Vector128<sbyte> x1)
    {
        if (isNarrow)
        {
            return AdvSimd.Arm64.AddPairwise(
                AdvSimd.AddPairwiseWidening(AdvSimd.Arm64.AddPairwise(NarrowSum(a, x0, x1), NarrowSum(b, x0, x1))),
                AdvSimd.AddPairwiseWidening(AdvSimd.Arm64.AddPairwise(NarrowSum(c, x0, x1), NarrowSum(d, x0, x1))));
        }
        return AdvSimd.Arm64.AddPairwise(
            AdvSimd.Arm64.AddPairwise(WideSum(a, x0, x1), WideSum(b, x0, x1)),
            AdvSimd.Arm64.AddPairwise(WideSum(c, x0, x1), WideSum(d, x0, x1)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> RowSums(Vector128<sbyte> a, Vector128<sbyte> b, Vector128<sbyte> c, Vector128<sbyte> d, Vector128<sbyte> x)
    {
        // Four products of 63 * 127 fit an int16.
        return AdvSimd.Arm64.AddPairwise(
            AdvSimd.AddPairwiseWidening(AdvSimd.Arm64.AddPairwise(Products(a, x), Products(b, x))),
            AdvSimd.AddPairwiseWidening(AdvSimd.Arm64.AddPairwise(Products(c, x), Products(d, x))));
    }

    /// <summary>Four products a lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> NarrowSum(RowCodes row, Vector128<sbyte> x0, Vector128<sbyte> x1)
    {
        Vector128<short> sum = Products(row.First, x0);
        sum = AdvSimd.MultiplyWideningUpperAndAdd(sum, row.Second, x1);
        return AdvSimd.MultiplyWideningLowerAndAdd(sum, row.Second.GetLower(), x1.GetLower());
    }

    /// <summary>Eight products a lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> WideSum(RowCodes row, Vector128<sbyte> x0, Vector128<sbyte> x1) =>
        AdvSimd.AddPairwiseWideningAndAdd(AdvSimd.AddPairwiseWidening(Products(row.First, x0)), Products(row.Second, x1));

    /// <summary>Two products a lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> Products(Vector128<sbyte> codes, Vector128<sbyte> x) =>
        AdvSimd.MultiplyWideningLowerAndAdd(AdvSimd.MultiplyWideningUpper(codes, x), codes.GetLower(), x.GetLower());

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
        for (nint g = 0; g < panel.ScaleCount; g++)
        {
            TSums a = default, b = default;
            Accumulate(w, values, values + stride * 32, ref a, ref b);
            if (!TLayout.HasScalePer16)
            {
                w += 128;
                values += 16;
                Accumulate(w, values, values + stride * 32, ref a, ref b);
            }
            w += 128;
            values += 16;
            float* activationScale = activationScales + (TLayout.HasScalePer16 ? g >> 1 : g);
            RowLanes scale = RowLanes.Load(scales);
            scales += WeightPanel.Rows;
            sum0 = sum0.AddScaled(scale, activationScale[0], a.ToRowLanes());
            sum1 = sum1.AddScaled(scale, activationScale[stride], b.ToRowLanes());
            if (!TLayout.HasOffset) continue;
            RowLanes offset = RowLanes.Load(offsets);
            offsets += WeightPanel.Rows;
            sum0 = sum0.AddOffset(offset, TLayout.HasScalePer16 ? activationScale[0] * sums[g] : scaledSums[g]);
            sum1 = sum1.AddOffset(offset, TLayout.HasScalePer16 ? activationScale[stride] * sums[g + 2 * stride] : scaledSums[g + stride]);
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
        for (nint g = 0; g < panel.ScaleCount; g++)
        {
            TSums a = default;
            Accumulate(w, values, ref a);
            if (!TLayout.HasScalePer16)
            {
                w += 128;
                values += 16;
                Accumulate(w, values, ref a);
            }
            w += 128;
            values += 16;
            float activationScale = activationScales[TLayout.HasScalePer16 ? g >> 1 : g];
            sum = sum.AddScaled(RowLanes.Load(scales), activationScale, a.ToRowLanes());
            scales += WeightPanel.Rows;
            if (!TLayout.HasOffset) continue;
            sum = sum.AddOffset(RowLanes.Load(offsets), TLayout.HasScalePer16 ? activationScale * sums[g] : scaledSums[g]);
            offsets += WeightPanel.Rows;
        }
        sum.Store(y, rows);
    }

    /// <summary>16 columns of eight rows and two tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Accumulate<TSums>(sbyte* w, sbyte* x, sbyte* x1, ref TSums a, ref TSums b) where TSums : struct, IPairSums<TSums>
    {
        Vector128<int> first = Vector128.Load((int*)x), second = Vector128.Load((int*)x1);
        TSums.Add(w, first, second, 0, 1, ref a, ref b);
        TSums.Add(w + 64, first, second, 2, 3, ref a, ref b);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Accumulate<TSums>(sbyte* w, sbyte* x, ref TSums a) where TSums : struct, IPairSums<TSums>
    {
        Vector128<int> columns = Vector128.Load((int*)x);
        TSums.Add(w, columns, 0, 1, ref a);
        TSums.Add(w + 64, columns, 2, 3, ref a);
    }
}
