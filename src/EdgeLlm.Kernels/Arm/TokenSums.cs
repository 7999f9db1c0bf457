using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Arm;

/// <summary>Four rows' integer sums, a lane each, of four tokens.</summary>
internal struct TokenSums
{
    public Vector128<int> T0, T1, T2, T3;
}
