using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Kernels.Arm;

/// <summary>One token: eight rows at a time, straight from the file's blocks.</summary>
internal unsafe partial class NeonKernel
{
    private static readonly ScalarKernel Specification = new();

    private static void MultiplyRows<TFormat, TProducts>(in WeightMatrix weights, in QuantizedActivations x, float* y, int firstRow,
        int endRow, byte* scratch)
        where TFormat : struct, IBlockFormat
        where TProducts : struct, IIntegerProducts
    {
        for (int r = firstRow; r < endRow; r += 8)
        {
            int rows = Math.Min(8, endRow - r);
            if (!MultiplyEight<TFormat, TProducts>(weights, x, y, r, rows))
                Specification.Multiply(weights, x, 1, y, 0, r, r + rows, scratch);
        }
    }

    /// <summary>False where a scale or an offset is not finite, and the sums are not to be used.</summary>
    private static bool MultiplyEight<TFormat, TProducts>(in WeightMatrix weights, in QuantizedActivations x, float* y, int row, int rows)
        where TFormat : struct, IBlockFormat
        where TProducts : struct, IIntegerProducts
    {
        nint last = rows - 1, rowBytes = weights.RowBytes, blocks = x.Blocks;
        byte* p0 = weights.Row(row);
        byte* p1 = p0 + nint.Min(1, last) * rowBytes, p2 = p0 + nint.Min(2, last) * rowBytes, p3 = p0 + nint.Min(3, last) * rowBytes;
        byte* p4 = p0 + nint.Min(4, last) * rowBytes, p5 = p0 + nint.Min(5, last) * rowBytes, p6 = p0 + nint.Min(6, last) * rowBytes;
        byte* p7 = p0 + last * rowBytes;
        sbyte* values = x.Values;
        float* activationScales = x.Scales, scaledSums = x.ScaledSums;
        int* sums = x.Sums;
        var converter = new HalfLanes();
        RowLanes sum = RowLanes.Zero;
        for (nint b = 0; b < blocks; b++)
        {
            Vector128<sbyte> x0 = Vector128.Load(values), x1 = Vector128.Load(values + 16);
            Vector128<int> low = TProducts.RowSums(
                TFormat.IsNarrow, TFormat.Load(p0), TFormat.Load(p1), TFormat.Load(p2), TFormat.Load(p3), x0, x1);
            Vector128<int> high = TProducts.RowSums(
                TFormat.IsNarrow, TFormat.Load(p4), TFormat.Load(p5), TFormat.Load(p6), TFormat.Load(p7), x0, x1);
            RowLanes dots;
            if (TFormat.Bias != 0)
            {
                Vector64<int> halves = Vector64.Load(sums);
                dots = SubtractBias(TFormat.Bias, low, high, AdvSimd.AddPairwise(halves, halves), 0);
                sums += 2;
            }
            else
            {
                dots = new RowLanes(AdvSimd.ConvertToSingle(low), AdvSimd.ConvertToSingle(high));
            }
            if (TFormat.HasOffset)
            {
                (RowLanes scales, RowLanes offsets) = converter.LoadPairs(p0, p1, p2, p3, p4, p5, p6, p7);
                sum = sum.AddScaled(scales, activationScales[b], dots).AddOffset(offsets, scaledSums[b]);
            }
            else
            {
                RowLanes scales = TFormat.HasExponent ? MXFP4Block.Scales(p0, p1, p2, p3, p4, p5, p6, p7)
                    : converter.Load(p0, p1, p2, p3, p4, p5, p6, p7);
                sum = sum.AddScaled(scales, activationScales[b], dots);
            }
            values += 32;
            p0 += TFormat.BlockBytes;
            p1 += TFormat.BlockBytes;
            p2 += TFormat.BlockBytes;
            p3 += TFormat.BlockBytes;
            p4 += TFormat.BlockBytes;
            p5 += TFormat.BlockBytes;
            p6 += TFormat.BlockBytes;
            p7 += TFormat.BlockBytes;
        }
        sum.Store(y + row, rows);
        return !converter.FoundSpecial;
    }
}
