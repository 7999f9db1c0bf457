using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>
/// Eight rows' integer sums, a lane each, of up to four tokens. (Of more than four fields the compiler makes memory, not registers.)
/// </summary>
internal unsafe struct TokenSums
{
    public Vector256<int> T0, T1, T2, T3;

    /// <summary>Stores them as [tokens][8].</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Store<TTokens>(int* target)
        where TTokens : struct, ITokenCount
    {
        T0.Store(target);
        if (TTokens.Count > 1) T1.Store(target + 8);
        if (TTokens.Count > 2) T2.Store(target + 16);
        if (TTokens.Count > 3) T3.Store(target + 24);
    }
}
