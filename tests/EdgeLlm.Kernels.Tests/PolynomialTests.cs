using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Kernels.Tests;

public sealed class PolynomialTests
{
    [Fact]
    public void The_float_exponential_is_within_2_ulp()
    {
        for (float x = -87; x < 88; x += 0.0137f) Assert.InRange(Polynomials.Exp(x) / Math.Exp(x), 1 - 2.5e-7, 1 + 2.5e-7);
        Assert.Equal(1f, Polynomials.Exp(0f));
        Assert.True(float.IsNaN(Polynomials.Exp(float.NaN)));
        Assert.InRange(Polynomials.Exp(float.NegativeInfinity), 0, 1.3e-38f);
        Assert.True(float.IsFinite(Polynomials.Exp(float.PositiveInfinity)));
    }

    [Fact]
    public void Sines_and_powers_are_those_of_the_platform_to_many_digits()
    {
        for (double angle = -20; angle < 200_000; angle = angle * 1.001 + 0.37)
        {
            (double sin, double cos) = Polynomials.SinCos(angle);
            Assert.InRange(sin - Math.Sin(angle), -1e-10, 1e-10);
            Assert.InRange(cos - Math.Cos(angle), -1e-10, 1e-10);
        }
        foreach (double x in new[] { 1e-3, 0.7, 1, 1.5, 10_000, 500_000, 1e6 })
        {
            for (double y = -1; y <= 1; y += 0.03125) Assert.InRange(Polynomials.Pow(x, y) / Math.Pow(x, y), 1 - 1e-13, 1 + 1e-13);
        }
    }
}
