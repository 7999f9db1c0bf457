namespace EdgeLlm.Speech.Audio;

/// <summary>
/// Discrete Fourier transform of real signals whose even length has no prime factors but 2, 3 and 5 (400 and 1200 points: 25 ms and 50 ms of sound).
/// The order of its sums is fixed and its sines are its own, so the bits are the same on every machine.
/// </summary>
/// <remarks>A real signal is one complex signal of half the length (even samples, odd samples), transformed by mixed radices. Not safe for several threads at once.</remarks>
internal sealed class FourierTransform
{
    private readonly int half;
    private readonly int[] factors;
    private readonly float[] cosines; // of 2 pi k / length, k = 0 .. length - 1
    private readonly float[] sines;
    private readonly float[] real;
    private readonly float[] imaginary;
    private readonly float[] scratchReal = new float[5];
    private readonly float[] scratchImaginary = new float[5];

    /// <summary>Tables for signals of `length` samples.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The length is odd, not positive, or has a prime factor above 5.</exception>
    public FourierTransform(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        Length = length;
        half = length / 2;
        factors = Factors(half);
        ArgumentOutOfRangeException.ThrowIfNotEqual(2 * factors.Aggregate(1, (product, factor) => product * factor), length, nameof(length));
        (cosines, sines) = (new float[length], new float[length]);
        for (int k = 0; k < length; k++) (cosines[k], sines[k]) = Turn(k, length);
        (real, imaginary) = (new float[half], new float[half]);
    }

    /// <summary>Number of samples of a signal.</summary>
    public int Length { get; }

    /// <summary>Number of frequencies, from 0 to half the sample rate: length / 2 + 1.</summary>
    public int Bins => half + 1;

    /// <summary>X[k] = sum over n of x[n] e^(-2 pi i k n / length), for k = 0 .. length / 2.</summary>
    /// <param name="signal">The samples [length].</param>
    /// <param name="re">Receives the real parts [Bins].</param>
    /// <param name="im">Receives the imaginary parts [Bins].</param>
    public void Forward(ReadOnlySpan<float> signal, Span<float> re, Span<float> im)
    {
        Span<float> evens = re[..half], odds = im[..half];
        for (int i = 0; i < half; i++) (evens[i], odds[i]) = (signal[2 * i], signal[2 * i + 1]);
        Transform(evens, odds, 0, 1, real, imaginary, half, 0);
        for (int k = 0; k <= half; k++)
        {
            int a = k == half ? 0 : k, b = k == 0 ? 0 : half - k;
            float evenRe = .5f * (real[a] + real[b]), evenIm = .5f * (imaginary[a] - imaginary[b]);
            float oddRe = .5f * (imaginary[a] + imaginary[b]), oddIm = .5f * (real[b] - real[a]);
            re[k] = evenRe + (cosines[k] * oddRe + sines[k] * oddIm);
            im[k] = evenIm + (cosines[k] * oddIm - sines[k] * oddRe);
        }
    }

    /// <summary>The signal whose transform this is: x[n] = 1 / length times the sum over all frequencies, those above half mirrored.</summary>
    /// <param name="re">The real parts [Bins].</param>
    /// <param name="im">The imaginary parts [Bins]; of the first and the last frequency they count as 0.</param>
    /// <param name="signal">Receives the samples [length].</param>
    public void Inverse(ReadOnlySpan<float> re, ReadOnlySpan<float> im, Span<float> signal)
    {
        // A backward transform is a forward one with real and imaginary parts exchanged.
        Span<float> first = signal[..half], second = signal[half..];
        for (int k = 0; k < half; k++)
        {
            float imA = k == 0 ? 0 : im[k], imB = k == 0 ? 0 : im[half - k];
            float evenRe = re[k] + re[half - k], evenIm = imA - imB;
            float differenceRe = re[k] - re[half - k], differenceIm = imA + imB;
            float oddRe = cosines[k] * differenceRe - sines[k] * differenceIm, oddIm = cosines[k] * differenceIm + sines[k] * differenceRe;
            first[k] = evenIm + oddRe;
            second[k] = evenRe - oddIm;
        }
        Transform(first, second, 0, 1, real, imaginary, half, 0);
        float scale = 1f / Length;
        for (int i = 0; i < half; i++) (signal[2 * i], signal[2 * i + 1]) = (imaginary[i] * scale, real[i] * scale);
    }

    /// <summary>Complex transform of `count` values at offset, offset + stride, ... into the first `count` of the output: decimation in time, one factor a level.</summary>
    private void Transform(Span<float> inRe, Span<float> inIm, int offset, int stride, Span<float> outRe, Span<float> outIm, int count, int level)
    {
        if (count == 1)
        {
            (outRe[0], outIm[0]) = (inRe[offset], inIm[offset]);
            return;
        }
        int radix = factors[level], part = count / radix;
        for (int r = 0; r < radix; r++)
        {
            Transform(inRe, inIm, offset + r * stride, stride * radix, outRe.Slice(r * part, part), outIm.Slice(r * part, part), part, level + 1);
        }
        int turn = Length / count; // one step of this level in the table
        for (int k = 0; k < part; k++)
        {
            for (int r = 0; r < radix; r++)
            {
                float c = cosines[r * k * turn], s = sines[r * k * turn], x = outRe[r * part + k], y = outIm[r * part + k];
                scratchReal[r] = x * c + y * s;
                scratchImaginary[r] = y * c - x * s;
            }
            for (int m = 0; m < radix; m++)
            {
                float sumRe = scratchReal[0], sumIm = scratchImaginary[0];
                for (int r = 1; r < radix; r++)
                {
                    int angle = r * m % radix * (Length / radix);
                    float c = cosines[angle], s = sines[angle];
                    sumRe += scratchReal[r] * c + scratchImaginary[r] * s;
                    sumIm += scratchImaginary[r] * c - scratchReal[r] * s;
                }
                (outRe[m * part + k], outIm[m * part + k]) = (sumRe, sumIm);
            }
        }
    }

    private static int[] Factors(int n)
    {
        var found = new List<int>();
        foreach (int factor in (ReadOnlySpan<int>)[4, 2, 3, 5])
        {
            for (; n % factor == 0 && n > 1; n /= factor) found.Add(factor);
        }
        return [.. found];
    }

    /// <summary>Cosine and sine of 2 pi k / n by Taylor's series in the first eighth of the circle, where 9 terms reach the last bit of a double.</summary>
    private static (float Cosine, float Sine) Turn(int k, int n)
    {
        int eighths = 8 * k / n;
        bool mirrored = (eighths & 1) != 0;
        double x = 2 * Math.PI * (mirrored ? (eighths + 1) / 2 * (n / 4.0) - k : k - eighths / 2 * (n / 4.0)) / n, square = x * x;
        double cosine = 1, sine = 1;
        for (int term = 18; term >= 2; term -= 2)
        {
            cosine = 1 - square / (term * (term - 1)) * cosine;
            sine = 1 - square / (term * (term + 1)) * sine;
        }
        sine *= x;
        if (mirrored) sine = -sine;
        return ((eighths + 1) / 2 % 4) switch
        {
            0 => ((float)cosine, (float)sine),
            1 => ((float)-sine, (float)cosine),
            2 => ((float)-cosine, (float)-sine),
            _ => ((float)sine, (float)-cosine),
        };
    }
}
