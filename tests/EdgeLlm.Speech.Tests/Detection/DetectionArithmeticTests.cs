using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Speech.Detection;
using EdgeLlm.Speech.Detection.Onnx;
using EdgeLlm.Speech.Detection.TfLite;

namespace EdgeLlm.Speech.Tests.Detection;

/// <summary>What the detectors compute with in vectors, against the plain loops that say what it is.</summary>
public sealed class DetectionArithmeticTests
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(31, 7, 3)]
    [InlineData(32, 16, 4)]
    [InlineData(70, 33, 6)]
    public void A_row_of_panels_is_one_chain_of_fused_multiply_adds_from_its_bias(int rows, int columns, int tokens)
    {
        const int Stride = 5;
        var random = new Random(rows);
        float[] weights = Floats(random, rows * columns), biases = Floats(random, rows), x = Floats(random, tokens * Stride + columns);
        float[] y = new float[tokens * rows];
        new FloatPanels(rows, columns, (r, c) => weights[r * columns + c], r => biases[r]).Multiply(x, Stride, tokens, y);
        for (int t = 0; t < tokens; t++)
        {
            for (int r = 0; r < rows; r++)
            {
                float sum = biases[r];
                for (int c = 0; c < columns; c++) sum = MathF.FusedMultiplyAdd(weights[r * columns + c], x[t * Stride + c], sum);
                Assert.Equal(sum, y[t * rows + r]);
            }
        }
    }

    [Theory]
    [InlineData(256)]
    [InlineData(128)]
    [InlineData(16)]
    public void Filters_that_are_a_windowed_transform_are_computed_as_one(int width)
    {
        var random = new Random(width);
        float[] window = Floats(random, width), filters = Transform(window), x = Floats(random, 2 * width);
        FourierFilters transform = FourierFilters.Of(filters, width + 2, width)!;
        float[] y = new float[2 * (width + 2)];
        transform.Multiply(x, width / 2, 2, y);
        for (int row = 0; row < width + 2; row++)
        {
            for (int t = 0; t < 2; t++)
            {
                double sum = 0;
                for (int n = 0; n < width; n++) sum += (double)filters[row * width + n] * x[t * width / 2 + n];
                Assert.Equal(sum, y[row * 2 + t], 1e-5);
            }
        }
    }

    [Fact]
    public void Filters_that_were_trained_or_have_another_size_are_not_taken_for_a_transform()
    {
        const int Width = 64;
        float[] filters = Transform(Floats(new Random(1), Width));
        Assert.NotNull(FourierFilters.Of(filters, Width + 2, Width));
        foreach (float other in (float[])[filters[777] + 1e-5f, float.NaN])
        {
            float[] changed = [.. filters];
            changed[777] = other;
            Assert.Null(FourierFilters.Of(changed, Width + 2, Width));
        }
        Assert.Null(FourierFilters.Of(filters, Width, Width));
        Assert.Null(FourierFilters.Of(new float[12 * 14], 14, 12));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(300)]
    [InlineData(32_767)]
    public void The_transform_in_integers_rounds_where_KISS_FFT_does(int loudness)
    {
        var random = new Random(loudness);
        var transform = new FixedPointTransform();
        short[] real = new short[257], imaginary = new short[257];
        for (int round = 0; round < 20; round++)
        {
            // Noise, and full scale that changes its sign: sums that reach the ends of 16 bits.
            short[] samples = [.. Enumerable.Range(0, 512).Select(i => (short)(round % 2 == 0 ? random.Next(-loudness, loudness + 1)
                : (i * (round + 1) / 512 % 2 == 0 ? loudness : -loudness - 1)))];
            transform.Forward(samples, real, imaginary);
            (short[] expectedReal, short[] expectedImaginary) = KissTransform(samples);
            Assert.Equal(expectedReal, real);
            Assert.Equal(expectedImaginary, imaginary);
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(5, 40)]
    [InlineData(16, 48)]
    [InlineData(67, 35)]
    public void Products_of_bytes_are_exact_at_the_ends_of_their_range(int rows, int columns)
    {
        var random = new Random(columns);
        sbyte[] weights = Bytes(random, rows * columns), x = Bytes(random, columns), matrix = Bytes(random, rows * columns);
        int[] sums = [.. Enumerable.Range(0, rows)], expected = [.. sums], down = [.. Enumerable.Range(0, columns)],
            expectedDown = [.. down];
        for (int r = 0; r < rows; r++)
        {
            for (int c = 0; c < columns; c++)
            {
                expected[r] += weights[r * columns + c] * x[c];
                expectedDown[c] += weights[r * columns + c] * matrix[r * columns + c];
            }
        }
        ByteProducts.Add(weights, x, sums);
        ByteProducts.AddColumns(weights, matrix, down);
        Assert.Equal(expected, sums);
        Assert.Equal(expectedDown, down);
    }

    private static float[] Floats(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 2 - 1)];

    /// <summary>Bytes, half of them the least: two products of those do not fit 16 bits.</summary>
    private static sbyte[] Bytes(Random random, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => random.Next(2) == 0 ? sbyte.MinValue : (sbyte)random.Next(-128, 128))];

    private static float[] Transform(float[] window)
    {
        int width = window.Length, bins = width / 2 + 1;
        return [.. Enumerable.Range(0, 2 * bins).SelectMany(row => Enumerable.Range(0, width).Select(n =>
        {
            (double sine, double cosine) = Math.SinCos(2 * Math.PI * (row % bins * n % width) / width);
            return (float)(window[n] * (row < bins ? cosine : -sine));
        }))];
    }

    /// <summary>kiss_fftr with FIXED_POINT 16, number by number.</summary>
    private static (short[] Real, short[] Imaginary) KissTransform(short[] samples)
    {
        const int Half = 256;
        short[] re = new short[Half], im = new short[Half], real = new short[Half + 1], imaginary = new short[Half + 1];
        for (int i = 0; i < Half; i++)
        {
            int order = (i & 3) << 6 | (i >> 2 & 3) << 4 | (i >> 4 & 3) << 2 | i >> 6;
            (re[i], im[i]) = (samples[2 * order], samples[2 * order + 1]);
        }
        for (int part = 1; part < Half; part *= 4)
        {
            for (int first = 0; first < Half; first += 4 * part)
            {
                for (int k = 0; k < part; k++)
                {
                    int at = first + k;
                    (short Re, short Im) a = (Divide(re[at], 4), Divide(im[at], 4)), b = Input(1), c = Input(2), d = Input(3);
                    (short Re, short Im) even = Sum(a, c), odd = Difference(a, c), sum = Sum(b, d), difference = Difference(b, d);
                    (re[at], im[at]) = Sum(even, sum);
                    (re[at + part], im[at + part]) = ((short)(odd.Re + difference.Im), (short)(odd.Im - difference.Re));
                    (re[at + 2 * part], im[at + 2 * part]) = Difference(even, sum);
                    (re[at + 3 * part], im[at + 3 * part]) = ((short)(odd.Re - difference.Im), (short)(odd.Im + difference.Re));

                    (short, short) Input(int j) => Product((Divide(re[at + j * part], 4), Divide(im[at + j * part], 4)),
                        Turn(-2 * Math.PI / Half * (j * k * (Half / (4 * part)))));
                }
            }
        }
        (short evens, short odds) = (Divide(re[0], 2), Divide(im[0], 2));
        (real[0], real[Half]) = ((short)(evens + odds), (short)(evens - odds));
        for (int k = 1; k <= Half / 2; k++)
        {
            (short Re, short Im) a = (Divide(re[k], 2), Divide(im[k], 2)),
                b = (Divide(re[Half - k], 2), Divide((short)-im[Half - k], 2)), sum = Sum(a, b),
                turned = Product(Difference(a, b), Turn(-Math.PI * ((double)k / Half + .5)));
            (real[k], imaginary[k]) = ((short)((sum.Re + turned.Re) >> 1), (short)((sum.Im + turned.Im) >> 1));
            (real[Half - k], imaginary[Half - k]) = ((short)((sum.Re - turned.Re) >> 1), (short)((turned.Im - sum.Im) >> 1));
        }
        return (real, imaginary);

        static (short Re, short Im) Sum((short Re, short Im) a, (short Re, short Im) b) => ((short)(a.Re + b.Re), (short)(a.Im + b.Im));

        static (short Re, short Im) Difference((short Re, short Im) a, (short Re, short Im) b) =>
            ((short)(a.Re - b.Re), (short)(a.Im - b.Im));

        static (short Re, short Im) Product((short Re, short Im) a, (short Re, short Im) b) =>
            ((short)((a.Re * b.Re - a.Im * b.Im + (1 << 14)) >> 15), (short)((a.Re * b.Im + a.Im * b.Re + (1 << 14)) >> 15));

        static short Divide(short x, int divisor) => (short)((x * (32767 / divisor) + (1 << 14)) >> 15);

        static (short Re, short Im) Turn(double angle)
        {
            (double sine, double cosine) = Polynomials.SinCos(angle);
            return ((short)Math.Floor(.5 + 32767 * cosine), (short)Math.Floor(.5 + 32767 * sine));
        }
    }
}
