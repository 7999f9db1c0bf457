using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Speech.Tests.Audio;

public sealed class FourierTransformTests
{
    public static TheoryData<int> Lengths => [2, 4, 6, 10, 16, 20, 30, 400, 512, 1200];

    [Theory]
    [MemberData(nameof(Lengths))]
    public void A_transform_equals_the_sum_that_defines_it(int length)
    {
        float[] signal = Noise(length);
        var transform = new FourierTransform(length);
        float[] re = new float[transform.Bins], im = new float[transform.Bins];
        transform.Forward(signal, re, im);
        for (int k = 0; k < transform.Bins; k++)
        {
            double sumRe = 0, sumIm = 0;
            for (int n = 0; n < length; n++)
            {
                double angle = 2 * Math.PI * ((long)k * n % length) / length;
                sumRe += signal[n] * Math.Cos(angle);
                sumIm -= signal[n] * Math.Sin(angle);
            }
            Assert.Equal(sumRe, re[k], 2e-6 * Math.Sqrt(length) * 4);
            Assert.Equal(sumIm, im[k], 2e-6 * Math.Sqrt(length) * 4);
        }
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void There_and_back_is_the_signal(int length)
    {
        float[] signal = Noise(length), back = new float[length];
        var transform = new FourierTransform(length);
        float[] re = new float[transform.Bins], im = new float[transform.Bins];
        transform.Forward(signal, re, im);
        transform.Inverse(re, im, back);
        for (int n = 0; n < length; n++) Assert.Equal(signal[n], back[n], 2e-6);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-2)]
    [InlineData(3)]
    [InlineData(14)]
    public void A_length_without_a_fast_transform_is_refused(int length) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new FourierTransform(length));

    private static float[] Noise(int length)
    {
        var random = new Random(length);
        return [.. Enumerable.Range(0, length).Select(_ => (float)(2 * random.NextDouble() - 1))];
    }
}
