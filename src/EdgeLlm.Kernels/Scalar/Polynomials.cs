namespace EdgeLlm.Kernels.Scalar;

/// <summary>
/// Our own elementary functions, so that every processor and C library gives the same bits. Only +, -, *, /, sqrt, fused multiply-add,
/// rounding and bit operations, which IEEE 754 fixes.
/// </summary>
internal static class Polynomials
{
    // exp(x) = 2^n * exp(r), n = round(x / ln 2), |r| <= ln 2 / 2; ln 2 in two parts and the polynomial are those of Cephes' expf (2 ulp).
    public const float ExpMinimum = -87.33f;
    public const float ExpMaximum = 88.37f;
    public const float Log2E = 1.44269504f;
    public const float Ln2High = 0.693359375f;
    public const float Ln2Low = -2.12194440e-4f;
    public const float Exp0 = 1.9875691500e-4f;
    public const float Exp1 = 1.3981999507e-3f;
    public const float Exp2 = 8.3334519073e-3f;
    public const float Exp3 = 4.1665795894e-2f;
    public const float Exp4 = 1.6666665459e-1f;
    public const float Exp5 = 5.0000001201e-1f;

    /// <summary>exp(x) with x clamped to [-87.33, 88.37]; NaN gives NaN.</summary>
    public static float Exp(float x)
    {
        if (!(x > ExpMinimum)) x = float.IsNaN(x) ? x : ExpMinimum;
        if (x > ExpMaximum) x = ExpMaximum;
        float n = MathF.Round(x * Log2E);
        float r = MathF.FusedMultiplyAdd(n, -Ln2High, x);
        r = MathF.FusedMultiplyAdd(n, -Ln2Low, r);
        float p = MathF.FusedMultiplyAdd(Exp0, r, Exp1);
        p = MathF.FusedMultiplyAdd(p, r, Exp2);
        p = MathF.FusedMultiplyAdd(p, r, Exp3);
        p = MathF.FusedMultiplyAdd(p, r, Exp4);
        p = MathF.FusedMultiplyAdd(p, r, Exp5);
        p = MathF.FusedMultiplyAdd(p, r * r, r) + 1f;
        return float.IsNaN(x) ? x : p * BitConverter.Int32BitsToSingle(((int)n + 127) << 23);
    }

    /// <summary>x / (1 + exp(-x)).</summary>
    public static float Silu(float x) => x / (1f + Exp(-x));

    /// <summary>Sine and cosine of an angle in radians, |angle| below 10^8, to about 1e-12.</summary>
    public static (double Sin, double Cos) SinCos(double angle)
    {
        // angle = quadrant * pi / 2 + r with pi / 2 in three parts (fdlibm's), then Taylor polynomials on |r| <= pi / 4.
        double quadrant = Math.Round(angle * 0.63661977236758134308);
        double r = Math.FusedMultiplyAdd(quadrant, -1.57079632673412561417e+00, angle);
        r = Math.FusedMultiplyAdd(quadrant, -6.07710050630396597660e-11, r);
        r = Math.FusedMultiplyAdd(quadrant, -2.02226624879595063154e-21, r);
        double z = r * r;
        double sin = r + r * z
            * (-1.0 / 6 + z * (1.0 / 120 + z * (-1.0 / 5040 + z * (1.0 / 362880 + z * (-1.0 / 39916800 + z * (1.0 / 6227020800))))));
        double cos = 1
            + z * (-1.0 / 2
                + z * (1.0 / 24
                    + z * (-1.0 / 720 + z * (1.0 / 40320 + z * (-1.0 / 3628800 + z * (1.0 / 479001600 - z * (1.0 / 87178291200)))))));
        return ((long)quadrant & 3) switch
        {
            0 => (sin, cos),
            1 => (cos, -sin),
            2 => (-sin, -cos),
            _ => (-cos, sin),
        };
    }

    // Sine and cosine of r, |r| <= pi / 4, in floats: Cephes' sinf and cosf; pi / 2 in two parts.
    public const float TurnRounder = 12582912f; // 1.5 * 2^23: what is added to it is rounded, and its lower bits count
    public const float TwoOverPi = 0.63661977f;
    public const float HalfPiHigh = 1.57079637f;
    public const float HalfPiLow = -4.37113883e-8f;
    public const float Sin0 = -1.6666654611e-1f;
    public const float Sin1 = 8.3321608736e-3f;
    public const float Sin2 = -1.9515295891e-4f;
    public const float Cos0 = 4.166664568298827e-2f;
    public const float Cos1 = -1.388731625493765e-3f;
    public const float Cos2 = 2.443315711809948e-5f;

    /// <summary>Sine and cosine of an angle in radians, |angle| below 10^4, to about 1e-7.</summary>
    public static (float Sin, float Cos) SinCos(float angle)
    {
        float shifted = angle * TwoOverPi + TurnRounder, n = shifted - TurnRounder;
        float r = MathF.FusedMultiplyAdd(n, -HalfPiHigh, angle);
        r = MathF.FusedMultiplyAdd(n, -HalfPiLow, r);
        float z = r * r;
        float p = MathF.FusedMultiplyAdd(Sin2, z, Sin1);
        p = MathF.FusedMultiplyAdd(p, z, Sin0);
        float sin = MathF.FusedMultiplyAdd(p * z, r, r);
        p = MathF.FusedMultiplyAdd(Cos2, z, Cos1);
        p = MathF.FusedMultiplyAdd(p, z, Cos0);
        p = MathF.FusedMultiplyAdd(p, z, -.5f);
        float cos = MathF.FusedMultiplyAdd(p, z, 1f);
        int quadrant = BitConverter.SingleToInt32Bits(shifted);
        if ((quadrant & 1) != 0) (sin, cos) = (cos, sin);
        return ((quadrant & 2) == 0 ? sin : -sin, (quadrant + 1 & 2) == 0 ? cos : -cos);
    }

    /// <summary>Natural logarithm of a positive, normal number, to about 1e-15 relative.</summary>
    public static double Log(double x)
    {
        // x = 2^e * m with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s), s = (m - 1) / (m + 1), |s| < 0.172.
        long bits = BitConverter.DoubleToInt64Bits(x);
        int e = (int)(bits >> 52) - 1023;
        double m = BitConverter.Int64BitsToDouble((bits & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000);
        if (m > 1.4142135623730951)
        {
            m *= 0.5;
            e++;
        }
        double s = (m - 1) / (m + 1), z = s * s, sum = 1.0 / 21;
        sum = sum * z + 1.0 / 19;
        sum = sum * z + 1.0 / 17;
        sum = sum * z + 1.0 / 15;
        sum = sum * z + 1.0 / 13;
        sum = sum * z + 1.0 / 11;
        sum = sum * z + 1.0 / 9;
        sum = sum * z + 1.0 / 7;
        sum = sum * z + 1.0 / 5;
        sum = sum * z + 1.0 / 3;
        sum = sum * z + 1;
        return e * 0.69314718055994530942 + 2 * s * sum;
    }

    /// <summary>
    /// e^x for x &lt;= 709, with a relative error below 4e-16; 0 where the result would not be a normal number (x &lt; -708).
    /// </summary>
    public static double Exp(double x)
    {
        if (!(x >= -708)) return 0;

        // x = k ln 2 + r with |r| <= ln 2 / 2. The high part of ln 2 ends in zeros, so that k times it is exact.
        const double Ln2High = 6.93147180369123816490e-01, Ln2Low = 1.90821492927058770002e-10;
        double k = Math.Floor(x * 1.44269504088896340736 + 0.5);
        double r = x - k * Ln2High - k * Ln2Low;

        // Taylor's series to r^13 / 13!; the first term left out is below 4.1e-18. Even and odd powers apart: half the latency.
        double square = r * r;
        double even = 1.0 / 479001600;
        even = even * square + 1.0 / 3628800;
        even = even * square + 1.0 / 40320;
        even = even * square + 1.0 / 720;
        even = even * square + 1.0 / 24;
        even = even * square + 1.0 / 2;
        even = even * square + 1;
        double odd = 1.0 / 6227020800;
        odd = odd * square + 1.0 / 39916800;
        odd = odd * square + 1.0 / 362880;
        odd = odd * square + 1.0 / 5040;
        odd = odd * square + 1.0 / 120;
        odd = odd * square + 1.0 / 6;
        odd = odd * square + 1;

        double powerOfTwo = BitConverter.Int64BitsToDouble(((long)k + 1023) << 52);
        return (odd * r + even) * powerOfTwo;
    }

    /// <summary>x to the power y, x positive.</summary>
    public static double Pow(double x, double y) => Exp(y * Log(x));
}
