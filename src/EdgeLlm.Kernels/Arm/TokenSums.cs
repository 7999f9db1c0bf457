using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// Four rows' integer sums, a lane each, of three tokens. (Of more than four fields the compiler makes memory, not registers.)
/// </summary>
internal struct TokenSums
{
    public Vector128<int> T0, T1, T2;
}
