namespace EdgeLlm.Sampling;

/// <summary>
/// The functions of sampling whose platform versions differ in the last bit from one CPU or C library to another. These use
/// IEEE additions and multiplications in a fixed order only (.NET never fuses them by itself), so every CPU gets the same bits.
/// </summary>
internal static class DeterministicMath
{
    /// <summary>e^x for x &lt;= 0, with a relative error below 4e-16; 0 where the result would not be a normal number (x &lt; -708).</summary>
    public static double Exp(double x)
    {
        if (!(x >= -708)) return 0;

        // x = k ln 2 + r with |r| <= ln 2 / 2. The high part of ln 2 ends in zeros, so that k times it is exact.
        const double Ln2High = 6.93147180369123816490e-01, Ln2Low = 1.90821492927058770002e-10;
        double k = Math.Floor(x * 1.44269504088896340736 + 0.5);
        double r = x - k * Ln2High - k * Ln2Low;

        // Taylor's series to r^13 / 13!; the first term left out is below 4.1e-18.
        double sum = 1.0 / 6227020800;
        sum = sum * r + 1.0 / 479001600;
        sum = sum * r + 1.0 / 39916800;
        sum = sum * r + 1.0 / 3628800;
        sum = sum * r + 1.0 / 362880;
        sum = sum * r + 1.0 / 40320;
        sum = sum * r + 1.0 / 5040;
        sum = sum * r + 1.0 / 720;
        sum = sum * r + 1.0 / 120;
        sum = sum * r + 1.0 / 24;
        sum = sum * r + 1.0 / 6;
        sum = sum * r + 0.5;
        sum = sum * r + 1;
        sum = sum * r + 1;

        double powerOfTwo = BitConverter.Int64BitsToDouble(((long)k + 1023) << 52);
        return sum * powerOfTwo;
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
