using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Kernels.Vectors;

namespace EdgeLlm.Kernels.Arm;

/// <summary>ARMv8.0 NEON without dot products: Cortex-A53 (Pi 3, Zero 2 W) and Cortex-A72 (Pi 4).</summary>
internal unsafe partial class NeonKernel : VectorKernel
{
    public static bool IsSupported => AdvSimd.Arm64.IsSupported;

    public override string Name => "neon";

    public override void Multiply(in WeightMatrix weights, in QuantizedActivations x, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch) =>
        Multiply<WideningProducts>(weights, x, tokens, y, yStride, firstRow, endRow, scratch);

    public override long ScratchBytes(int columns) => Math.Max(base.ScratchBytes(columns), WeightPanel.ByteCount(columns));

    /// <summary>The product with the instructions of <typeparamref name="TProducts"/>.</summary>
    protected static void Multiply<TProducts>(in WeightMatrix weights, in QuantizedActivations x, int tokens, float* y, nint yStride,
        int firstRow, int endRow, byte* scratch)
        where TProducts : struct, IIntegerProducts
    {
        if (tokens == 1)
        {
            switch (weights.Type)
            {
                case ElementType.Q4_0: MultiplyRows<Q4_0Block, TProducts>(weights, x, y, firstRow, endRow, scratch); return;
                case ElementType.Q4_1: MultiplyRows<Q4_1Block, TProducts>(weights, x, y, firstRow, endRow, scratch); return;
                case ElementType.Q5_0: MultiplyRows<Q5_0Block, TProducts>(weights, x, y, firstRow, endRow, scratch); return;
                case ElementType.Q8_0: MultiplyRows<Q8_0Block, TProducts>(weights, x, y, firstRow, endRow, scratch); return;
                case ElementType.IQ4_NL: MultiplyRows<IQ4_NLBlock, TProducts>(weights, x, y, firstRow, endRow, scratch); return;
                case ElementType.MXFP4: MultiplyRows<MXFP4Block, TProducts>(weights, x, y, firstRow, endRow, scratch); return;
                case ElementType.Q4_K: MultiplySuperRows<Q4_KBlock, TProducts>(weights, x, y, firstRow, endRow, scratch); return;
                case ElementType.Q6_K: MultiplySuperRows<Q6_KBlock, TProducts>(weights, x, y, firstRow, endRow, scratch); return;
            }
        }
        var panel = new WeightPanel(scratch, weights.Type, weights.Columns);
        for (int r = firstRow; r < endRow; r += WeightPanel.Rows)
        {
            int rows = Math.Min(WeightPanel.Rows, endRow - r);
            panel.Unpack(weights, r, rows);
            MultiplyPanel<TProducts>(panel, x, tokens, y + r, yStride, rows);
        }
    }

    private static void MultiplyPanel<TProducts>(in WeightPanel panel, in QuantizedActivations x, int tokens,
        float* y, nint yStride, int rows)
        where TProducts : struct, IIntegerProducts
    {
        switch (panel.HasScalePer16, panel.Offsets != null)
        {
            case (false, false): TProducts.Multiply<ScalePer32>(panel, x, tokens, y, yStride, rows); break;
            case (false, true): TProducts.Multiply<ScalePer32WithOffset>(panel, x, tokens, y, yStride, rows); break;
            case (true, false): TProducts.Multiply<ScalePer16>(panel, x, tokens, y, yStride, rows); break;
            case (true, true): TProducts.Multiply<ScalePer16WithOffset>(panel, x, tokens, y, yStride, rows); break;
        }
    }

    public override void MultiplyPacked(in WeightMatrix weights, in PackedActivations x, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch)
    {
        switch (weights.Packing)
        {
            case Packing.E4Group32: MultiplyPacked<E4Group32WideningDots>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case Packing.E4Group16: MultiplyPacked<E4Group16WideningDots>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case Packing.E8Group32: MultiplyPacked<E8Group32WideningDots>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case Packing.E5Group32:
                MultiplyPacked<E5Group32WideningDots>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case Packing.E3Group32:
                MultiplyPacked<E3Group32WideningDots>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
        }
    }

    private static void MultiplyPacked<TDots>(in WeightMatrix weights, in PackedActivations x, int tokens, float* y, nint yStride,
        int firstRow, int endRow, byte* scratch)
        where TDots : struct, IPackedDots
    {
        if (tokens == 1) PackedRowProduct<TDots>.Multiply(weights, x, 0, y, firstRow, endRow);
        else PackedPairProduct<TDots>.Multiply(weights, x, tokens, y, yStride, firstRow, endRow, scratch);
    }

    private static readonly ScalarKernel Specification = new();

    /// <summary>One token: eight rows at a time, straight from the file's blocks.</summary>
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

    /// <summary>
    /// One token and blocks of 256: the scales of eight rows' blocks first, then their sub-blocks in a loop that only loads them.
    /// </summary>
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
                TFormat part = TFormat.At(g);
                Vector128<sbyte> x0 = Vector128.Load(values), x1 = Vector128.Load(values + 16);
                float activationScale = *activationScales;
                RowCodes a = part.Load(p0), b = part.Load(p1), c = part.Load(p2), d = part.Load(p3);
                RowCodes e = part.Load(p4), f = part.Load(p5);
                if (TFormat.HasScalePer16)
                {
                    Vector128<int> low = TProducts.RowSums(a.First, b.First, c.First, d.First, x0),
                        nextLow = TProducts.RowSums(a.Second, b.Second, c.Second, d.Second, x1);
                    c = part.Load(p6);
                    d = part.Load(p7);
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
                    Vector128<int> high = TProducts.RowSums(true, e, f, part.Load(p6), part.Load(p7), x0, x1);
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
