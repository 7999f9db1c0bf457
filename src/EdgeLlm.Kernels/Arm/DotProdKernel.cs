using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>NEON with the dot products of ARMv8.2: Cortex-A76 (Pi 5).</summary>
internal sealed unsafe class DotProdKernel : NeonKernel
{
    private const int MostFewTokens = 8;

    public static new bool IsSupported => Dp.Arm64.IsSupported;

    public override string Name => "neon-dotprod";

    public override void Multiply(in WeightMatrix weights, in QuantizedActivations x, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch) =>
        Multiply<DotProducts>(weights, x, tokens, y, yStride, firstRow, endRow, scratch);

    public override long ScratchBytes(int columns) => Math.Max(base.ScratchBytes(columns), PackedPanel.ByteCount(columns));

    public override void MultiplyPacked(in WeightMatrix weights, in PackedActivations x, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch)
    {
        switch (weights.Packing)
        {
            case Packing.E4Group32: MultiplyPacked<E4Group32Dots>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case Packing.E4Group16: MultiplyPacked<E4Group16Dots>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case Packing.E8Group32: MultiplyPacked<E8Group32Dots>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case Packing.E5Group32: MultiplyPacked<E5Group32Dots>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case Packing.E3Group32: MultiplyPacked<E3Group32Dots>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
        }
    }

    private static void MultiplyPacked<TDots>(in WeightMatrix weights, in PackedActivations x, int tokens, float* y, nint yStride,
        int firstRow, int endRow, byte* scratch)
        where TDots : struct, IPackedDots
    {
        if (tokens > MostFewTokens) // fewer would not pay for the unpacking
        {
            PackedPanelProduct<TDots>.Multiply(weights, x, tokens, y, yStride, firstRow, endRow, scratch);
            return;
        }
        for (int t = 0; t < tokens; t += PackedFewProduct<TDots>.MostTokens, y += PackedFewProduct<TDots>.MostTokens * yStride)
        {
            switch (tokens - t)
            {
                case 1: PackedRowProduct<TDots>.Multiply(weights, x, t, y, firstRow, endRow); break;
                case 2: PackedFewProduct<TDots>.Multiply<TwoTokens>(weights, x, t, y, yStride, firstRow, endRow); break;
                case 3: PackedFewProduct<TDots>.Multiply<ThreeTokens>(weights, x, t, y, yStride, firstRow, endRow); break;
                default: PackedFewProduct<TDots>.Multiply<FourTokens>(weights, x, t, y, yStride, firstRow, endRow); break;
            }
        }
    }
}
