using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>NEON with the dot products of ARMv8.2: Cortex-A76 (Pi 5).</summary>
internal sealed unsafe class DotProdKernel : NeonKernel
{
    public static new bool IsSupported => Dp.Arm64.IsSupported;

    public override string Name => "neon-dotprod";

    public override void Multiply(in WeightMatrix weights, in QuantizedActivations x, int tokens, float* y, nint yStride, int firstRow, int endRow, byte* scratch) =>
        Multiply<DotProducts>(weights, x, tokens, y, yStride, firstRow, endRow, scratch);
}
