using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Sampling;

/// <summary>
/// The functions of sampling whose platform versions differ in the last bit from one CPU or C library to another. These use
/// IEEE additions and multiplications in a fixed order only (.NET never fuses them by itself), so every CPU gives the same bits.
/// </summary>
internal static class DeterministicMath
{
    /// <summary>
    /// The smallest x &gt;= -708, to a double's precision, whose <see cref="Polynomials.Exp(double)"/> is at least y, for 0 &lt; y &lt;= 1.
    /// By bisection: not for hot paths.
    /// </summary>
    public static double Log(double y)
    {
        double below = -708, x = 0;
        for (double middle = below / 2; middle > below && middle < x; middle = below + (x - below) / 2)
        {
            if (Polynomials.Exp(middle) < y) below = middle;
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
