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
    public void Tangents_and_error_functions_are_right_to_a_few_units_in_the_last_place()
    {
        for (float x = -9; x < 9; x += 0.00113f)
        {
            Assert.InRange(ActivationFunctions.Tanh(x) / Math.Tanh(x), 1 - 3e-7, 1 + 3e-7);
            Assert.InRange(ActivationFunctions.Erf(x) - Erf(x), -1.5e-7, 1.5e-7);
        }
        Assert.Equal((0f, 0f), (ActivationFunctions.Tanh(0), ActivationFunctions.Erf(0)));
        Assert.Equal((1f, -1f), (ActivationFunctions.Erf(float.PositiveInfinity), ActivationFunctions.Tanh(float.NegativeInfinity)));
        Assert.True(float.IsNaN(ActivationFunctions.Erf(float.NaN)) && float.IsNaN(ActivationFunctions.Tanh(float.NaN)));
    }

    [Fact]
    public void Activations_are_their_formulas()
    {
        for (float x = -12; x < 12; x += 0.0171f)
        {
            Assert.Equal(x / (1 + Math.Exp(-x)), ActivationFunctions.Of(Activation.Silu, x), 2e-6);
            Assert.Equal(0.5 * x * (1 + Erf(x / Math.Sqrt(2))), ActivationFunctions.Of(Activation.Gelu, x), 2e-6);
            Assert.Equal(0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))),
                ActivationFunctions.Of(Activation.GeluTanh, x), 2e-6);
            Assert.Equal(x / (1 + Math.Exp(-1.702 * x)), ActivationFunctions.Of(Activation.GeluQuick, x), 2e-6);
            Assert.Equal(Math.Max(x, 0f), ActivationFunctions.Of(Activation.Relu, x));
            Assert.Equal(Math.Max(x, 0f) * Math.Max(x, 0f), ActivationFunctions.Of(Activation.ReluSquared, x));
        }
    }

    /// <summary>By its Taylor series up to 3, by the continued fraction of erfc from there.</summary>
    private static double Erf(double x)
    {
        double magnitude = Math.Abs(x), sum = 0, term = magnitude;
        if (magnitude > 3)
        {
            double fraction = 0;
            for (int k = 60; k >= 1; k--) fraction = k / 2.0 / (magnitude + fraction);
            return Math.Sign(x) * (1 - Math.Exp(-x * x) / Math.Sqrt(Math.PI) / (magnitude + fraction));
        }
        for (int n = 0; n < 80; n++)
        {
            sum += term / (2 * n + 1);
            term *= -x * x / (n + 1);
        }
        return Math.Sign(x) * 2 / Math.Sqrt(Math.PI) * sum;
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
