using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Vectors;

/// <summary>Functions of doubles, lane by lane with the bits of <see cref="Scalar.Polynomials"/>.</summary>
internal static class VectorPolynomials
{
    private const double WholeRounder = 6755399441055744.0; // 1.5 * 2^52: what is added to it is rounded, and its lower bits count

    /// <summary>Natural logarithms of positive, normal numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<double> Log(Vector128<double> x)
    {
        const double TwoTo52 = 4503599627370496.0;
        Vector128<long> bits = x.AsInt64();
        Vector128<double> m = (bits & Vector128.Create(0xFFFFFFFFFFFFF) | Vector128.Create(0x3FF0000000000000)).AsDouble();
        Vector128<double> isLarge = Vector128.GreaterThan(m, Vector128.Create(1.4142135623730951));

        // The exponent as the lower bits of 2^52, which a subtraction turns into a number.
        Vector128<double> e = (bits >>> 52 | Vector128.Create(TwoTo52).AsInt64()).AsDouble() - Vector128.Create(TwoTo52)
            - Vector128.Create(1023.0) + (isLarge & Vector128<double>.One);
        m *= Vector128.ConditionalSelect(isLarge, Vector128.Create(0.5), Vector128<double>.One);
        Vector128<double> s = (m - Vector128<double>.One) / (m + Vector128<double>.One), z = s * s, sum = Vector128.Create(1.0 / 21);
        sum = sum * z + Vector128.Create(1.0 / 19);
        sum = sum * z + Vector128.Create(1.0 / 17);
        sum = sum * z + Vector128.Create(1.0 / 15);
        sum = sum * z + Vector128.Create(1.0 / 13);
        sum = sum * z + Vector128.Create(1.0 / 11);
        sum = sum * z + Vector128.Create(1.0 / 9);
        sum = sum * z + Vector128.Create(1.0 / 7);
        sum = sum * z + Vector128.Create(1.0 / 5);
        sum = sum * z + Vector128.Create(1.0 / 3);
        sum = sum * z + Vector128<double>.One;
        return e * Vector128.Create(0.69314718055994530942) + Vector128.Create(2.0) * s * sum;
    }

    /// <summary>Sines and cosines of angles in radians, magnitudes below 10^8.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<double> Sin, Vector128<double> Cos) SinCos(Vector128<double> angle)
    {
        Vector128<double> shifted = angle * Vector128.Create(0.63661977236758134308) + Vector128.Create(WholeRounder);
        Vector128<double> quadrant = shifted - Vector128.Create(WholeRounder);
        Vector128<double> r = Vector128.FusedMultiplyAdd(quadrant, Vector128.Create(-1.57079632673412561417e+00), angle);
        r = Vector128.FusedMultiplyAdd(quadrant, Vector128.Create(-6.07710050630396597660e-11), r);
        r = Vector128.FusedMultiplyAdd(quadrant, Vector128.Create(-2.02226624879595063154e-21), r);
        Vector128<double> z = r * r, one = Vector128<double>.One;
        Vector128<double> sin = Vector128.Create(-1.0 / 39916800) + z * Vector128.Create(1.0 / 6227020800);
        sin = Vector128.Create(1.0 / 362880) + z * sin;
        sin = Vector128.Create(-1.0 / 5040) + z * sin;
        sin = Vector128.Create(1.0 / 120) + z * sin;
        sin = Vector128.Create(-1.0 / 6) + z * sin;
        sin = r + r * z * sin;
        Vector128<double> cos = Vector128.Create(1.0 / 479001600) - z * Vector128.Create(1.0 / 87178291200);
        cos = Vector128.Create(-1.0 / 3628800) + z * cos;
        cos = Vector128.Create(1.0 / 40320) + z * cos;
        cos = Vector128.Create(-1.0 / 720) + z * cos;
        cos = Vector128.Create(1.0 / 24) + z * cos;
        cos = Vector128.Create(-1.0 / 2) + z * cos;
        cos = one + z * cos;

        // Quadrants 0 to 3: sin, cos; cos, -sin; -sin, -cos; -cos, sin.
        Vector128<long> turns = shifted.AsInt64();
        Vector128<double> isOdd = Vector128.Equals(turns & Vector128<long>.One, Vector128<long>.One).AsDouble();
        Vector128<long> sinSign = (turns & Vector128.Create(2L)) << 62,
            cosSign = (turns + Vector128<long>.One & Vector128.Create(2L)) << 62;
        return ((Vector128.ConditionalSelect(isOdd, cos, sin).AsInt64() ^ sinSign).AsDouble(),
            (Vector128.ConditionalSelect(isOdd, sin, cos).AsInt64() ^ cosSign).AsDouble());
    }
}
