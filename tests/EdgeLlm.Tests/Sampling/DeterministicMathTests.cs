using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Sampling;

namespace EdgeLlm.Tests.Sampling;

public class DeterministicMathTests
{
    [Fact]
    public void Exp_is_within_4e_16_of_the_platforms()
    {
        double worst = 0;
        for (double x = 0; x >= -708; x -= 0.000977)
        {
            worst = Math.Max(worst, Math.Abs(Polynomials.Exp(x) / Math.Exp(x) - 1));
        }
        Assert.InRange(worst, 0, 4e-16);
    }

    [Theory]
    [InlineData(0.0, 1.0)]
    [InlineData(-1e-300, 1.0)]
    [InlineData(-708.5, 0.0)]
    [InlineData(-1e300, 0.0)]
    [InlineData(double.NegativeInfinity, 0.0)]
    public void Exp_is_exact_at_the_ends(double x, double expected) => Assert.Equal(expected, Polynomials.Exp(x));

    /// <summary>The expected bits are those of Python with the same operations in the same order.</summary>
    [Theory]
    [InlineData(-0.1, 0x3FECF46D99D52B3AUL)]
    [InlineData(-1.0, 0x3FD78B56362CEF38UL)]
    [InlineData(-2.5, 0x3FB50385C094F424UL)]
    [InlineData(-17.125, 0x3E639D4EC6B9F3D3UL)]
    [InlineData(-700.0, 0x00D14F2B0FB9307FUL)]
    public void Exp_has_the_same_bits_everywhere(double x, ulong bits) =>
        Assert.Equal(bits, BitConverter.DoubleToUInt64Bits(Polynomials.Exp(x)));

    [Theory]
    [InlineData(1f)]
    [InlineData(0.999f)]
    [InlineData(0.3f)]
    [InlineData(0.05f)]
    [InlineData(float.Epsilon)]
    public void Log_is_where_exp_reaches_y(float y)
    {
        double x = DeterministicMath.Log(y);
        Assert.Equal(Math.Log(y), x, 1e-15 + 4e-16 * Math.Abs(x));
        Assert.True(Polynomials.Exp(x) >= y);
        Assert.True(Polynomials.Exp(Math.BitDecrement(x)) < y || y == 1);
    }

    [Theory]
    [InlineData(1.75, 0, 1.0)]
    [InlineData(1.75, 1, 1.75)]
    [InlineData(1.75, 2, 3.0625)]
    [InlineData(2.0, 13, 8192.0)]
    [InlineData(2.0, 1_000_000, double.PositiveInfinity)]
    [InlineData(1.0, int.MaxValue, 1.0)]
    public void Power_multiplies(double x, int exponent, double expected) => Assert.Equal(expected, DeterministicMath.Power(x, exponent));
}
