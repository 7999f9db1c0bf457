using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Vectors;

namespace EdgeLlm.Kernels.Arm;

/// <summary>ARMv8.0 NEON without dot products: Cortex-A53 (Pi 3, Zero 2 W) and Cortex-A72 (Pi 4).</summary>
internal unsafe partial class NeonKernel : VectorKernel
{
    public static bool IsSupported => AdvSimd.Arm64.IsSupported;

    public override string Name => "neon";
}
