using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// One token and blocks of 256: the scales of eight rows' blocks first, then their groups in a loop that only loads them.
/// </summary>
internal unsafe partial class NeonKernel
{
    private static void MultiplySuperRows<TFormat, TProducts>(in WeightMatrix weights, in QuantizedActivations x, float* y, int firstRow,
        int endRow, byte* scratch)
        where TFormat : struct, ISuperBlockFormat<TFormat>
        where TProducts : struct, IIntegerProducts
    {
        for (int r = firstRow; r < endRow; r += 8)
        {
            int rows = Math.Min(8, endRow - r);
            if (!MultiplySuperEight<TFormat, TProducts>(weights, x, y, r, rows))
                Specification.Multiply(weights, x, 1, y, 0, r, r + rows, scratch);
        }
    }

    /// <summary>False where a scale or an offset is not finite, and the sums are not to be used.</summary>
    [SkipLocalsInit]
    private static bool MultiplySuperEight<TFormat, TProducts>(in WeightMatrix weights, in QuantizedActivations x,
        float* y, int row, int rows)
        where TFormat : struct, ISuperBlockFormat<TFormat>
        where TProducts : struct, IIntegerProducts
    {
        byte** blocks = stackalloc byte*[8];
        float* scales = stackalloc float[16 * 8];
        float* offsets = stackalloc float[8 * 8];
        for (int r = 0; r < 8; r++) blocks[r] = weights.Row(row + Math.Min(r, rows - 1));
        sbyte* values = x.Values;
        float* activationScales = x.Scales, scaledSums = x.ScaledSums;
        int* sums = x.Sums;
        var converter = new HalfLanes();
        RowLanes sum = RowLanes.Zero;
        for (int left = x.Blocks / 8; left > 0; left--)
        {
            byte* p0 = blocks[0], p1 = blocks[1], p2 = blocks[2], p3 = blocks[3], p4 = blocks[4], p5 = blocks[5],
                p6 = blocks[6], p7 = blocks[7];
            TFormat.LoadScales(blocks, ref converter, scales, offsets);
            float* scale = scales, offset = offsets;
            for (int g = 0; g < 8; g++)
            {
                TFormat group = TFormat.At(g);
                Vector128<sbyte> x0 = Vector128.Load(values), x1 = Vector128.Load(values + 16);
                float activationScale = *activationScales;
                RowCodes a = group.Load(p0), b = group.Load(p1), c = group.Load(p2), d = group.Load(p3);
                RowCodes e = group.Load(p4), f = group.Load(p5);
                if (TFormat.HasGroupsOf16)
                {
                    Vector128<int> low = TProducts.RowSums(a.First, b.First, c.First, d.First, x0),
                        nextLow = TProducts.RowSums(a.Second, b.Second, c.Second, d.Second, x1);
                    c = group.Load(p6);
                    d = group.Load(p7);
                    Vector128<int> high = TProducts.RowSums(e.First, f.First, c.First, d.First, x0),
                        nextHigh = TProducts.RowSums(e.Second, f.Second, c.Second, d.Second, x1);
                    Vector64<int> total = Vector64.Load(sums);
                    sum = sum.AddScaled(RowLanes.Load(scale), activationScale, SubtractBias(TFormat.Bias, low, high, total, 0));
                    sum = sum.AddScaled(RowLanes.Load(scale + 8), activationScale, SubtractBias(TFormat.Bias, nextLow, nextHigh, total, 1));
                    sums += 2;
                    scale += 16;
                }
                else
                {
                    Vector128<int> low = TProducts.RowSums(true, a, b, c, d, x0, x1);
                    Vector128<int> high = TProducts.RowSums(true, e, f, group.Load(p6), group.Load(p7), x0, x1);
                    sum = sum.AddScaled(RowLanes.Load(scale), activationScale,
                        new RowLanes(AdvSimd.ConvertToSingle(low), AdvSimd.ConvertToSingle(high)));
                    scale += 8;
                }
                if (TFormat.HasOffset)
                {
                    sum = sum.AddOffset(RowLanes.Load(offset), *scaledSums);
                    scaledSums++;
                    offset += 8;
                }
                values += 32;
                activationScales++;
            }
            for (int r = 0; r < 8; r++) blocks[r] += TFormat.BlockBytes;
        }
        sum.Store(y + row, rows);
        return !converter.FoundSpecial;
    }

    /// <summary>
    /// The sums of eight rows less the bias of their codes: that times the sum of the activations, a lane of <paramref name="totals"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static RowLanes SubtractBias(int bias, Vector128<int> low, Vector128<int> high, Vector64<int> totals,
        [ConstantExpected(Max = (byte)1)] byte lane)
    {
        Vector128<int> factor = Vector128.Create(bias);
        return new RowLanes(
            AdvSimd.ConvertToSingle(AdvSimd.MultiplySubtractBySelectedScalar(low, factor, totals, lane)),
            AdvSimd.ConvertToSingle(AdvSimd.MultiplySubtractBySelectedScalar(high, factor, totals, lane)));
    }
}
