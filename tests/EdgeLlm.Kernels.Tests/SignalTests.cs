using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Kernels.Vectors;

namespace EdgeLlm.Kernels.Tests;

/// <summary>What sound is made with: every kernel gives the scalar kernel's bits, between pages that nobody may touch.</summary>
public sealed unsafe class SignalTests
{
    private static readonly ScalarKernel Specification = new();

    public static TheoryData<int> Lengths => [.. Enumerable.Range(1, 40), 192, 601];

    [Theory]
    [MemberData(nameof(Lengths))]
    public void A_row_of_a_depthwise_convolution_has_the_same_bits_on_every_kernel(int channels)
    {
        foreach (Kernel kernel in Kernel.Available)
        {
            foreach ((int taps, int dilation) in new[] { (1, 1), (5, 1), (7, 2) })
            {
                float[] expected = Convolve(Specification, channels, taps, dilation), actual = Convolve(kernel, channels, taps, dilation);
                KernelTests.AssertSameBits(expected, actual, $"{kernel.Name}, {channels} channels, {taps} taps");
            }
        }
    }

    [Fact]
    public void A_row_of_a_depthwise_convolution_is_the_sum_over_its_taps()
    {
        float[] y = Convolve(Specification, 5, 3, 2), x = KernelTests.RandomFloats(5 * 5, 1), weights = KernelTests.RandomFloats(3 * 5, 2),
            bias = KernelTests.RandomFloats(5, 3);
        for (int c = 0; c < 5; c++)
        {
            double sum = bias[c];
            for (int t = 0; t < 3; t++) sum += (double)weights[t * 5 + c] * x[2 * t * 5 + c];
            Assert.Equal(sum, y[c], 1e-6);
        }
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void Exponentials_and_turns_have_the_same_bits_on_every_kernel(int count)
    {
        float[] x = KernelTests.RandomFloats(count, 4);
        for (int i = 0; i < count; i++) x[i] *= (i % 5) switch { 0 => 1, 1 => 10, 2 => 100, 3 => 1000, _ => 1e-4f };
        if (count > 30) (x[3], x[7], x[11], x[30]) = (float.PositiveInfinity, -200, float.NaN, -0f);
        foreach (Kernel kernel in Kernel.Available)
        {
            KernelTests.AssertSameBits(Exponentials(Specification, x), Exponentials(kernel, x), $"{kernel.Name}, {count} exponentials");
            KernelTests.AssertSameBits(Turns(Specification, x), Turns(kernel, x), $"{kernel.Name}, {count} turns");
        }
    }

    [Fact]
    public void Turns_are_cosines_and_sines()
    {
        float[] angles = [.. Enumerable.Range(-4000, 8000).Select(i => i * 1.2345f)];
        float[] turns = Turns(Specification, angles);
        for (int i = 0; i < angles.Length; i++)
        {
            Assert.Equal(Math.Cos(angles[i]), turns[i], 3e-7);
            Assert.Equal(Math.Sin(angles[i]), turns[angles.Length + i], 3e-7);
        }
    }

    [Theory]
    [InlineData(256)]
    [InlineData(192)]
    [InlineData(30)]
    [InlineData(4)]
    public void Rows_are_normalized_together_with_the_bits_of_each_alone(int count)
    {
        foreach (Kernel kernel in Kernel.Available)
        {
            for (int rows = 1; rows <= 9; rows++)
            {
                float[] numbers = KernelTests.RandomFloats(rows * count, rows);
                for (int damaged = -1; damaged < rows; damaged++)
                {
                    if (damaged >= 0) numbers[damaged * count + count / 2] = damaged % 2 == 0 ? float.NaN : float.NegativeInfinity;
                    using GuardedBuffer x = GuardedBuffer.Of<float>(numbers),
                        weight = GuardedBuffer.Of<float>(KernelTests.RandomFloats(count, 5));
                    using GuardedBuffer bias = GuardedBuffer.Of<float>(KernelTests.RandomFloats(count, 6)), y = new(4L * rows * count),
                        expected = new(4L * rows * count);
                    for (int r = 0; r < rows; r++)
                        Specification.LayerNorm(x.Floats + r * count, weight.Floats, bias.Floats, expected.Floats + r * count, count,
                            1e-5f);
                    Assert.Equal(damaged < 0, kernel.LayerNormRows(x.Floats, weight.Floats, bias.Floats, y.Floats, count, rows, 1e-5f));
                    if (damaged < 0) KernelTests.AssertSameBits(expected.FloatSpan, y.FloatSpan, $"{kernel.Name}, {rows} rows of {count}");
                }
            }
        }
    }

    [Fact]
    public void Logarithms_sines_and_cosines_of_two_doubles_have_the_bits_of_one()
    {
        for (double x = 1e-300; x < 1e300; x *= 1.37)
        {
            Vector128<double> both = VectorPolynomials.Log(Vector128.Create(x, 1 / x));
            Assert.Equal((Polynomials.Log(x), Polynomials.Log(1 / x)), (both[0], both[1]));
        }
        for (double angle = -2000; angle < 2000; angle += 0.0937)
        {
            (Vector128<double> sin, Vector128<double> cos) = VectorPolynomials.SinCos(Vector128.Create(angle, angle * angle));
            Assert.Equal(Polynomials.SinCos(angle), (sin[0], cos[0]));
            Assert.Equal(Polynomials.SinCos(angle * angle), (sin[1], cos[1]));
        }
    }

    private static float[] Convolve(Kernel kernel, int channels, int taps, int dilation)
    {
        int rows = (taps - 1) * dilation + 1;
        using GuardedBuffer x = GuardedBuffer.Of<float>(KernelTests.RandomFloats(rows * channels, 1)),
            weights = GuardedBuffer.Of<float>(KernelTests.RandomFloats(taps * channels, 2));
        using GuardedBuffer bias = GuardedBuffer.Of<float>(KernelTests.RandomFloats(channels, 3)), y = new(4L * channels);
        kernel.ConvolveRow(x.Floats, (nint)dilation * channels, weights.Floats, bias.Floats, y.Floats, taps, channels);
        return y.FloatSpan.ToArray();
    }

    private static float[] Exponentials(Kernel kernel, float[] values)
    {
        using GuardedBuffer x = GuardedBuffer.Of<float>(values);
        kernel.Exponential(x.Floats, 7, values.Length);
        return x.FloatSpan.ToArray();
    }

    private static float[] Turns(Kernel kernel, float[] values)
    {
        using GuardedBuffer x = GuardedBuffer.Of<float>(values), cosines = new(4L * values.Length), sines = new(4L * values.Length);
        kernel.Turn(x.Floats, cosines.Floats, sines.Floats, values.Length);
        return [.. cosines.FloatSpan, .. sines.FloatSpan];
    }
}
