using System.Numerics;
using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Speech.Detection.Onnx;

/// <summary>
/// Filters of a convolution that are a Fourier transform under a window, as Silero's are (window[n] cos(2 pi f n / N) for the first half of
/// the rows, -window[n] sin(2 pi f n / N) for the second): a fast transform gives what 2 f N products give.
/// </summary>
internal sealed class FourierFilters
{
    // Silero's filters are the floats nearest to the formula: 8e-8 from it at most.
    private const double Tolerance = 5e-7;
    private const int Shortest = 16, Longest = 1024;

    private readonly FourierTransform transform;
    private readonly float[] window, signal, re, im;

    private FourierFilters(float[] window)
    {
        transform = new FourierTransform(window.Length);
        (this.window, signal) = (window, new float[window.Length]);
        (re, im) = (new float[transform.Bins], new float[transform.Bins]);
    }

    /// <summary>The transform that the filters [rows, width] are; null where they are something else.</summary>
    public static FourierFilters? Of(ReadOnlySpan<float> filters, int rows, int width)
    {
        if (rows != width + 2 || width is < Shortest or > Longest || !BitOperations.IsPow2(width)) return null;
        ReadOnlySpan<float> window = filters[..width]; // the cosine of frequency 0 is 1
        var turns = new (double Sin, double Cos)[width];
        for (int n = 0; n < width; n++) turns[n] = Polynomials.SinCos(2 * Math.PI * n / width);
        double largest = 0;
        foreach (float weight in window) largest = Math.Max(largest, Math.Abs(weight));
        for (int row = 0; row < rows; row++)
        {
            int frequency = row % (rows / 2);
            for (int n = 0; n < width; n++)
            {
                (double sine, double cosine) = turns[frequency * n % width];
                double wanted = window[n] * (row < rows / 2 ? cosine : -sine);
                if (!(Math.Abs(filters[row * width + n] - wanted) <= Tolerance * largest)) return null;
            }
        }
        return new FourierFilters(window.ToArray());
    }

    /// <summary>y[f, t] = sum over n of filters[f, n] x[stride t + n].</summary>
    public void Multiply(ReadOnlySpan<float> x, int stride, int times, Span<float> y)
    {
        for (int t = 0; t < times; t++)
        {
            ReadOnlySpan<float> sound = x.Slice(t * stride, window.Length);
            for (int n = 0; n < sound.Length; n += Vector<float>.Count) // a power of two, and more than any vector has
                (new Vector<float>(sound[n..]) * new Vector<float>(window, n)).CopyTo(signal, n);
            transform.Forward(signal, re, im);
            Put(re, y[t..], times);
            Put(im, y[(re.Length * times + t)..], times);
        }
    }

    private static void Put(ReadOnlySpan<float> numbers, Span<float> column, int step)
    {
        for (int i = 0, at = 0; i < numbers.Length; i++, at += step) column[at] = numbers[i];
    }
}
