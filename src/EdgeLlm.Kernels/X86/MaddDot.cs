using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Kernels.X86;

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
