using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Kernels.X86;

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
