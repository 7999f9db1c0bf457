using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;
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
                case ElementType.Q4_K: MultiplySuperRows<Q4_KGroup, TProducts>(weights, x, y, firstRow, endRow, scratch); return;
                case ElementType.Q6_K: MultiplySuperRows<Q6_KGroup, TProducts>(weights, x, y, firstRow, endRow, scratch); return;
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
        switch (panel.HasGroupsOf16, panel.Offsets != null)
        {
            case (false, false): TProducts.Multiply<GroupsOf32>(panel, x, tokens, y, yStride, rows); break;
            case (false, true): TProducts.Multiply<GroupsOf32WithOffset>(panel, x, tokens, y, yStride, rows); break;
            case (true, false): TProducts.Multiply<GroupsOf16>(panel, x, tokens, y, yStride, rows); break;
            case (true, true): TProducts.Multiply<GroupsOf16WithOffset>(panel, x, tokens, y, yStride, rows); break;
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
}
