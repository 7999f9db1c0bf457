using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>
/// Sums of products of unsigned codes u and int8 activations x, four columns in each 32-bit lane. A narrow sum may only take what an
/// int16 holds (two of them share a lane on AVX2, see <see cref="CodeRange"/>); a wide sum is an int32.
/// </summary>
internal interface IByteDot
{
    /// <summary>The narrow sum plus u * x.</summary>
    static abstract Vector256<int> Accumulate(Vector256<int> narrow, Vector256<byte> u, Vector256<sbyte> x);

    /// <summary>Adds two narrow sums.</summary>
    static abstract Vector256<int> Add(Vector256<int> left, Vector256<int> right);

    /// <summary>The wide sum that a narrow one stands for.</summary>
    static abstract Vector256<int> Widen(Vector256<int> narrow);

    /// <summary>The wide sum plus u * x, u up to 128.</summary>
    static abstract Vector256<int> AccumulateWide(Vector256<int> wide, Vector256<byte> u, Vector256<sbyte> x);

    /// <summary>The wide sum plus u0 * x0 + u1 * x1, u up to 63.</summary>
    static abstract Vector256<int> AccumulateWide(Vector256<int> wide, Vector256<byte> u0, Vector256<sbyte> x0, Vector256<byte> u1, Vector256<sbyte> x1);
}
