using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// The int8 products that a processor has instructions for; a struct type parameter, so that every use is compiled on its own.
/// </summary>
internal unsafe interface IIntegerProducts
{
    /// <summary>y[t * yStride + r] for the first <paramref name="rows"/> rows of a panel.</summary>
    static abstract void Multiply<TLayout>(in WeightPanel panel, in QuantizedActivations x, int tokens, float* y, nint yStride, int rows)
        where TLayout : struct, IPanelLayout;

    /// <summary>The sums of four rows, a lane each: 32 columns of a, b, c and d with those of x.</summary>
    /// <param name="isNarrow">A constant: true where eight products fit an int16.</param>
    static abstract Vector128<int> RowSums(bool isNarrow, RowCodes a, RowCodes b, RowCodes c, RowCodes d, Vector128<sbyte> x0,
        Vector128<sbyte> x1);

    /// <summary>Sums of four rows, a lane each, over 16 columns, whose codes are from 0 to 63.</summary>
    static abstract Vector128<int> RowSums(Vector128<sbyte> a, Vector128<sbyte> b, Vector128<sbyte> c,
        Vector128<sbyte> d, Vector128<sbyte> x);
}

/// <summary>SDOT: sixteen products an instruction, four to a lane.</summary>
internal readonly unsafe struct DotProducts : IIntegerProducts
{
    /// <summary>
    /// A panel's integer sums start at the bits of 1.5 * 2^23: below 2^22 they are then the float that much too large, and one FSUB puts it
    /// right (SCVTF takes two turns of one of the A76's two pipes).
    /// </summary>
    private const float Start = 12582912f;

    public static void Multiply<TLayout>(in WeightPanel panel, in QuantizedActivations x, int tokens, float* y, nint yStride, int rows)
        where TLayout : struct, IPanelLayout
    {
        int t = 0;
        for (; t <= tokens - 4; t += 4) MultiplyFour<TLayout>(panel, x, t, y + t * yStride, yStride, rows);
        for (; t < tokens; t++) MultiplyOne<TLayout>(panel, x, t, y + t * yStride, rows);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> RowSums(bool isNarrow, RowCodes a, RowCodes b, RowCodes c, RowCodes d, Vector128<sbyte> x0,
        Vector128<sbyte> x1)
    {
        Vector128<int> sumA = Dp.DotProduct(Vector128<int>.Zero, a.First, x0);
        Vector128<int> sumB = Dp.DotProduct(Vector128<int>.Zero, b.First, x0);
        Vector128<int> sumC = Dp.DotProduct(Vector128<int>.Zero, c.First, x0);
        Vector128<int> sumD = Dp.DotProduct(Vector128<int>.Zero, d.First, x0);
        sumA = Dp.DotProduct(sumA, a.Second, x1);
        sumB = Dp.DotProduct(sumB, b.Second, x1);
        sumC = Dp.DotProduct(sumC, c.Second, x1);
        sumD = Dp.DotProduct(sumD, d.Second, x1);
        return AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(sumA, sumB), AdvSimd.Arm64.AddPairwise(sumC, sumD));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> RowSums(Vector128<sbyte> a, Vector128<sbyte> b, Vector128<sbyte> c, Vector128<sbyte> d, Vector128<sbyte> x)
    {
        Vector128<int> sumA = Dp.DotProduct(Vector128<int>.Zero, a, x), sumB = Dp.DotProduct(Vector128<int>.Zero, b, x);
        Vector128<int> sumC = Dp.DotProduct(Vector128<int>.Zero, c, x), sumD = Dp.DotProduct(Vector128<int>.Zero, d, x);
        return AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(sumA, sumB), AdvSimd.Arm64.AddPairwise(sumC, sumD));
    }

    private static void MultiplyFour<TLayout>(in WeightPanel panel, in QuantizedActivations x, int token, float* y, nint yStride, int rows)
        where TLayout : struct, IPanelLayout
    {
        RowLanes sum0 = RowLanes.Zero, sum1 = sum0, sum2 = sum0, sum3 = sum0;
        nint blocks = x.Blocks, cell = token * blocks;
        sbyte* w = panel.Values;
        sbyte* x0 = x.Values + cell * 32, x1 = x0 + blocks * 32, x2 = x1 + blocks * 32, x3 = x2 + blocks * 32;
        float* scales = panel.Scales, offsets = panel.Offsets;
        float* scale0 = x.Scales + cell, scale1 = scale0 + blocks, scale2 = scale1 + blocks, scale3 = scale2 + blocks;
        nint toScaledSums = (nint)(x.ScaledSums - x.Scales);
        int* sums = x.Sums + 2 * cell;
        Vector128<int> start = Vector128.Create(Start).AsInt32();
        for (nint g = 0; g < panel.ScaleCount; g++)
        {
            TokenSums a = TokenSums.All(start), b = a;
            Accumulate(w, x0, x1, x2, x3, ref a, ref b);
            if (!TLayout.HasScalePer16) Accumulate(w + 128, x0 + 16, x1 + 16, x2 + 16, x3 + 16, ref a, ref b);
            int columns = TLayout.HasScalePer16 ? 16 : 32;
            w += columns * WeightPanel.Rows;
            x0 += columns;
            x1 += columns;
            x2 += columns;
            x3 += columns;
            nint block = TLayout.HasScalePer16 ? g >> 1 : g;
            RowLanes scale = RowLanes.Load(scales);
            scales += WeightPanel.Rows;
            sum0 = sum0.AddScaled(scale, scale0[block], ToFloat(a.T0, b.T0, start));
            sum1 = sum1.AddScaled(scale, scale1[block], ToFloat(a.T1, b.T1, start));
            sum2 = sum2.AddScaled(scale, scale2[block], ToFloat(a.T2, b.T2, start));
            sum3 = sum3.AddScaled(scale, scale3[block], ToFloat(a.T3, b.T3, start));
            if (!TLayout.HasOffset) continue;
            RowLanes offset = RowLanes.Load(offsets);
            offsets += WeightPanel.Rows;
            if (TLayout.HasScalePer16)
            {
                sum0 = sum0.AddOffset(offset, scale0[block] * sums[g]);
                sum1 = sum1.AddOffset(offset, scale1[block] * sums[g + 2 * blocks]);
                sum2 = sum2.AddOffset(offset, scale2[block] * sums[g + 4 * blocks]);
                sum3 = sum3.AddOffset(offset, scale3[block] * sums[g + 6 * blocks]);
            }
            else
            {
                nint at = g + toScaledSums;
                sum0 = sum0.AddOffset(offset, scale0[at]);
                sum1 = sum1.AddOffset(offset, scale1[at]);
                sum2 = sum2.AddOffset(offset, scale2[at]);
                sum3 = sum3.AddOffset(offset, scale3[at]);
            }
        }
        sum0.Store(y, rows);
        sum1.Store(y + yStride, rows);
        sum2.Store(y + 2 * yStride, rows);
        sum3.Store(y + 3 * yStride, rows);
    }

    private static void MultiplyOne<TLayout>(in WeightPanel panel, in QuantizedActivations x, int token, float* y, int rows)
        where TLayout : struct, IPanelLayout
    {
        RowLanes sum = RowLanes.Zero;
        nint cell = (nint)token * x.Blocks;
        sbyte* w = panel.Values, values = x.Values + cell * 32;
        float* scales = panel.Scales, offsets = panel.Offsets, activationScales = x.Scales + cell, scaledSums = x.ScaledSums + cell;
        int* sums = x.Sums + 2 * cell;
        Vector128<int> start = Vector128.Create(Start).AsInt32();
        for (nint g = 0; g < panel.ScaleCount; g++)
        {
            // Two sums to a lane: one chain of additions would be waited for.
            Vector128<int> a = start, b = start;
            Accumulate(w, values, ref a, ref b);
            if (!TLayout.HasScalePer16)
            {
                Vector128<int> c = Vector128<int>.Zero, d = c;
                Accumulate(w + 128, values + 16, ref c, ref d);
                a += c;
                b += d;
            }
            int columns = TLayout.HasScalePer16 ? 16 : 32;
            w += columns * WeightPanel.Rows;
            values += columns;
            float activationScale = activationScales[TLayout.HasScalePer16 ? g >> 1 : g];
            sum = sum.AddScaled(RowLanes.Load(scales), activationScale, ToFloat(a, b, start));
            scales += WeightPanel.Rows;
            if (!TLayout.HasOffset) continue;
            sum = sum.AddOffset(RowLanes.Load(offsets), TLayout.HasScalePer16 ? activationScale * sums[g] : scaledSums[g]);
            offsets += WeightPanel.Rows;
        }
        sum.Store(y, rows);
    }

    /// <summary>16 columns of eight rows (a: the first four, b: the others) and of four tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Accumulate(sbyte* w, sbyte* first, sbyte* second, sbyte* third, sbyte* fourth, ref TokenSums a, ref TokenSums b)
    {
        Vector128<sbyte> p = Vector128.Load(w), q = Vector128.Load(w + 16);
        Vector128<sbyte> x0 = Vector128.Load(first), x1 = Vector128.Load(second), x2 = Vector128.Load(third), x3 = Vector128.Load(fourth);
        Vector128<sbyte> r = Vector128.Load(w + 32), s = Vector128.Load(w + 48);
        a.AddQuad<FourTokens>(p, x0, x1, x2, x3, 0);
        b.AddQuad<FourTokens>(q, x0, x1, x2, x3, 0);
        p = Vector128.Load(w + 64);
        q = Vector128.Load(w + 80);
        a.AddQuad<FourTokens>(r, x0, x1, x2, x3, 1);
        b.AddQuad<FourTokens>(s, x0, x1, x2, x3, 1);
        r = Vector128.Load(w + 96);
        s = Vector128.Load(w + 112);
        a.AddQuad<FourTokens>(p, x0, x1, x2, x3, 2);
        b.AddQuad<FourTokens>(q, x0, x1, x2, x3, 2);
        a.AddQuad<FourTokens>(r, x0, x1, x2, x3, 3);
        b.AddQuad<FourTokens>(s, x0, x1, x2, x3, 3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Accumulate(sbyte* w, sbyte* x, ref Vector128<int> a, ref Vector128<int> b)
    {
        Vector128<sbyte> columns = Vector128.Load(x);
        a = Dp.DotProductBySelectedQuadruplet(a, Vector128.Load(w), columns, 0);
        b = Dp.DotProductBySelectedQuadruplet(b, Vector128.Load(w + 16), columns, 0);
        a = Dp.DotProductBySelectedQuadruplet(a, Vector128.Load(w + 32), columns, 1);
        b = Dp.DotProductBySelectedQuadruplet(b, Vector128.Load(w + 48), columns, 1);
        a = Dp.DotProductBySelectedQuadruplet(a, Vector128.Load(w + 64), columns, 2);
        b = Dp.DotProductBySelectedQuadruplet(b, Vector128.Load(w + 80), columns, 2);
        a = Dp.DotProductBySelectedQuadruplet(a, Vector128.Load(w + 96), columns, 3);
        b = Dp.DotProductBySelectedQuadruplet(b, Vector128.Load(w + 112), columns, 3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static RowLanes ToFloat(Vector128<int> low, Vector128<int> high, Vector128<int> start) =>
        new(low.AsSingle() - start.AsSingle(), high.AsSingle() - start.AsSingle());
}
