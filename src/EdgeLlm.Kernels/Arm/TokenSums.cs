using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// Four rows' integer sums, a lane each, of up to four tokens. (Of more than four fields the compiler makes memory, not registers.)
/// </summary>
internal struct TokenSums
{
    public Vector128<int> T0, T1, T2, T3;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TokenSums All(Vector128<int> value) => new() { T0 = value, T1 = value, T2 = value, T3 = value };

    /// <summary>Adds four columns of the rows times a lane of each token's activations.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AddQuad<TTokens>(Vector128<sbyte> weights, Vector128<sbyte> x0, Vector128<sbyte> x1, Vector128<sbyte> x2,
        Vector128<sbyte> x3, [ConstantExpected(Max = (byte)3)] byte lane)
        where TTokens : struct, ITokenCount
    {
        T0 = Dp.DotProductBySelectedQuadruplet(T0, weights, x0, lane);
        T1 = Dp.DotProductBySelectedQuadruplet(T1, weights, x1, lane);
        if (TTokens.Count > 2) T2 = Dp.DotProductBySelectedQuadruplet(T2, weights, x2, lane);
        if (TTokens.Count > 3) T3 = Dp.DotProductBySelectedQuadruplet(T3, weights, x3, lane);
    }
}
