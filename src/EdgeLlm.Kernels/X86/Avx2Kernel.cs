using System.Runtime.Intrinsics.X86;
using EdgeLlm.Kernels.Vectors;

namespace EdgeLlm.Kernels.X86;

/// <summary>AVX2 and FMA: Intel since Haswell (2013), AMD since Excavator (2015).</summary>
internal unsafe partial class Avx2Kernel : VectorKernel
{
    public static bool IsSupported => Avx2.IsSupported && Fma.IsSupported;

    public override string Name => "avx2";
}
