namespace EdgeLlm.Sampling;

/// <summary>
/// The functions of sampling whose platform versions differ in the last bit from one CPU or C library to another. These use
/// IEEE additions and multiplications in a fixed order only (.NET never fuses them by itself), so every CPU gets the same bits.
/// </summary>
internal static class DeterministicMath
{
    /// <summary>
    /// e^x for x &lt;= 0, with a relative error below 4e-16; 0 where the result would not be a normal number (x &lt; -708).
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

    /// <summary>
    /// The smallest x &gt;= -708, to a double's precision, whose <see cref="Exp"/> is at least y, for 0 &lt; y &lt;= 1. By bisection:
    /// not for hot paths.
    /// </summary>
    public static double Log(double y)
    {
        double below = -708, x = 0;
        for (double middle = below / 2; middle > below && middle < x; middle = below + (x - below) / 2)
        {
            if (Exp(middle) < y) below = middle;
            else x = middle;
        }
        return x;
    }

    /// <summary>x^exponent for exponent &gt;= 0 by repeated squaring.</summary>
    public static double Power(double x, int exponent)
    {
        double power = 1;
        for (; exponent > 0; exponent >>= 1)
        {
            if ((exponent & 1) != 0) power *= x;
            x *= x;
        }
        return power;
    }
}
