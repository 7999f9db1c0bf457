using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// Products of ARMv8.0 for vectors of four rows by four columns: SMULL and SMLAL into int16, as long as those hold the sums (four quads of
/// |w| up to 63, two of up to 128), then int32.
/// </summary>
internal static class WideningQuads
{
    /// <summary>Quads 0 to 3 of 16 columns, |w| up to 63.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Narrow(Vector128<sbyte> w0, Vector128<sbyte> w1, Vector128<sbyte> w2, Vector128<sbyte> w3, Vector128<sbyte> x)
    {
        Vector128<sbyte> x0 = Quad(x, 0), x1 = Quad(x, 1), x2 = Quad(x, 2), x3 = Quad(x, 3);
        Vector128<short> upper = AdvSimd.MultiplyWideningUpper(w0, x0);
        Vector128<short> lower = AdvSimd.MultiplyWideningLower(w0.GetLower(), x0.GetLower());
        upper = AdvSimd.MultiplyWideningUpperAndAdd(upper, w1, x1);
        lower = AdvSimd.MultiplyWideningLowerAndAdd(lower, w1.GetLower(), x1.GetLower());
        upper = AdvSimd.MultiplyWideningUpperAndAdd(upper, w2, x2);
        lower = AdvSimd.MultiplyWideningLowerAndAdd(lower, w2.GetLower(), x2.GetLower());
        upper = AdvSimd.MultiplyWideningUpperAndAdd(upper, w3, x3);
        lower = AdvSimd.MultiplyWideningLowerAndAdd(lower, w3.GetLower(), x3.GetLower());
        return Join(lower, upper);
    }

    /// <summary>The same for |w| up to 128.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Wide(Vector128<sbyte> w0, Vector128<sbyte> w1, Vector128<sbyte> w2, Vector128<sbyte> w3, Vector128<sbyte> x) =>
        TwoQuads(w0, w1, Quad(x, 0), Quad(x, 1)) + TwoQuads(w2, w3, Quad(x, 2), Quad(x, 3));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> TwoQuads(Vector128<sbyte> w0, Vector128<sbyte> w1, Vector128<sbyte> x0, Vector128<sbyte> x1)
    {
        Vector128<short> upper = AdvSimd.MultiplyWideningUpper(w0, x0);
        Vector128<short> lower = AdvSimd.MultiplyWideningLower(w0.GetLower(), x0.GetLower());
        upper = AdvSimd.MultiplyWideningUpperAndAdd(upper, w1, x1);
        lower = AdvSimd.MultiplyWideningLowerAndAdd(lower, w1.GetLower(), x1.GetLower());
        return Join(lower, upper);
    }

    /// <summary>Four columns of activations in every row's place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Quad(Vector128<sbyte> x, [ConstantExpected(Min = (byte)0, Max = (byte)3)] byte quad) => AdvSimd.DuplicateSelectedScalarToVector128(x.AsInt32(), quad).AsSByte();

    /// <summary>Rows 0 and 1, rows 2 and 3, each with four sums a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Join(Vector128<short> lower, Vector128<short> upper) =>
        AdvSimd.Arm64.AddPairwise(AdvSimd.AddPairwiseWidening(lower), AdvSimd.AddPairwiseWidening(upper));
}
