using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.X86;

namespace EdgeLlm.Kernels.Tests.X86;

/// <summary><see cref="VnniDot"/> with VPDPBUSD in plain code.</summary>
internal readonly struct EmulatedVnniDot : IByteDot
{
    public static Vector256<int> Accumulate(Vector256<int> narrow, Vector256<byte> u, Vector256<sbyte> x)
    {
        for (int lane = 0; lane < 8; lane++)
        {
            int sum = narrow[lane];
            for (int i = 4 * lane; i < 4 * lane + 4; i++) sum += u[i] * x[i];
            narrow = narrow.WithElement(lane, sum);
        }
        return narrow;
    }

    public static Vector256<int> Add(Vector256<int> left, Vector256<int> right) => left + right;

    public static Vector256<int> Widen(Vector256<int> narrow) => narrow;

    public static Vector256<int> AccumulateWide(Vector256<int> wide, Vector256<byte> u, Vector256<sbyte> x) => Accumulate(wide, u, x);

    public static Vector256<int> AccumulateWide(
        Vector256<int> wide, Vector256<byte> u0, Vector256<sbyte> x0, Vector256<byte> u1, Vector256<sbyte> x1) =>
        Accumulate(Accumulate(wide, u0, x0), u1, x1);
}
