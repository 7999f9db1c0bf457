using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

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
    static abstract Vector256<int> AccumulateWide(Vector256<int> wide, Vector256<byte> u0, Vector256<sbyte> x0,
        Vector256<byte> u1, Vector256<sbyte> x1);
}

/// <summary>AVX2: VPMADDUBSW gives two int16 sums of two products each, VPMADDWD with ones adds those up.</summary>
internal readonly struct MaddDot : IByteDot
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Accumulate(Vector256<int> narrow, Vector256<byte> u, Vector256<sbyte> x) =>
        (narrow.AsInt16() + Avx2.MultiplyAddAdjacent(u, x)).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Add(Vector256<int> left, Vector256<int> right) => (left.AsInt16() + right.AsInt16()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Widen(Vector256<int> narrow) => Avx2.MultiplyAddAdjacent(narrow.AsInt16(), Vector256<short>.One);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AccumulateWide(Vector256<int> wide, Vector256<byte> u, Vector256<sbyte> x) =>
        wide + Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(u, x), Vector256<short>.One);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AccumulateWide(
        Vector256<int> wide, Vector256<byte> u0, Vector256<sbyte> x0, Vector256<byte> u1, Vector256<sbyte> x1) =>
        wide + Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(u0, x0) + Avx2.MultiplyAddAdjacent(u1, x1), Vector256<short>.One);
}

/// <summary>AVX-VNNI: VPDPBUSD (the form that does not saturate) adds four products to an int32, so a narrow sum is a wide one.</summary>
internal readonly struct VnniDot : IByteDot
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Accumulate(Vector256<int> narrow, Vector256<byte> u, Vector256<sbyte> x) =>
        AvxVnni.MultiplyWideningAndAdd(narrow, u, x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Add(Vector256<int> left, Vector256<int> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Widen(Vector256<int> narrow) => narrow;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AccumulateWide(Vector256<int> wide, Vector256<byte> u, Vector256<sbyte> x) => Accumulate(wide, u, x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AccumulateWide(
        Vector256<int> wide, Vector256<byte> u0, Vector256<sbyte> x0, Vector256<byte> u1, Vector256<sbyte> x1) =>
        Accumulate(Accumulate(wide, u0, x0), u1, x1);
}
