using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Speech.Audio;

/// <summary>
/// Changes the sample rate of one channel by a polyphase filter: a sinc under Kaiser's window (Kaiser 1974), flat to 94 % of the lower
/// rate's band and 100 dB down at its end. Sample n of the output is the sound at n / rate seconds: nothing is delayed.
/// </summary>
/// <remarks>
/// Samples are written and read in pieces of any size; the result is a function of the samples alone, the same bits on every machine.
/// Output sample n is at input position n * down / up; each of the `up` fractions has its own row of the filter, or, where that would be a
/// large table, is interpolated between the two rows beside it (error below -100 dB).
/// </remarks>
internal sealed class Resampler
{
    // Half the filter's width in samples of the lower rate, the cutoff as a share of its band, and the window's shape: Kaiser's formulas
    // for 100 dB and a transition of 6 %.
    private const int HalfWidth = 112, Lanes = 8, MostTableFloats = 1 << 18, InterpolatedRows = 512;
    private const double Cutoff = 0.97, KaiserBeta = 10.06;

    private readonly int up, down, taps, rows;
    private readonly float[] table; // [rows (+ 1 where interpolated)][taps]
    private readonly bool isInterpolated;
    private float[] input;
    private long inputStart; // position of input[0] in the stream
    private int inputCount;
    private long written, read;
    private bool hasEnded;

    /// <param name="from">Samples a second of what is written, 1 to 10^6.</param>
    /// <param name="to">Samples a second of what is read.</param>
    public Resampler(int from, int to)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(from);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(to);
        int divisor = (int)BigInteger.GreatestCommonDivisor(from, to);
        (up, down) = (to / divisor, from / divisor);
        double scale = Math.Min(1, (double)to / from);
        taps = up == down ? 0 : ((int)Math.Ceiling(2 * HalfWidth / scale) + Lanes - 1) / Lanes * Lanes;
        isInterpolated = (long)up * taps > MostTableFloats;
        rows = isInterpolated ? Math.Max(16, (int)Math.Ceiling(InterpolatedRows * scale)) : up;
        table = new float[(rows + (isInterpolated ? 1 : 0)) * taps];
        for (int row = 0; row * taps < table.Length; row++) FillRow(table.AsSpan(row * taps, taps), (double)row / rows, scale);
        inputStart = -(taps / 2);
        inputCount = taps / 2; // silence before the first sample
        input = new float[Math.Max(2 * taps, 1 << 12)];
    }

    /// <summary>Number of output samples for a number of input samples: all that begin within it.</summary>
    public long OutputLength(long inputs) => (long)(((Int128)inputs * up + down - 1) / down);

    /// <summary>Takes samples; what they give must be read before the next are written, or it is kept.</summary>
    public void Write(ReadOnlySpan<float> samples)
    {
        if (inputCount + samples.Length > input.Length)
        {
            int unused = taps == 0 ? (int)(read - inputStart) : (int)Math.Clamp(FirstInput(read) - inputStart, 0, inputCount);
            input.AsSpan(unused, inputCount - unused).CopyTo(input);
            inputStart += unused;
            inputCount -= unused;
            if (inputCount + samples.Length > input.Length) Array.Resize(ref input, 2 * (inputCount + samples.Length));
        }
        samples.CopyTo(input.AsSpan(inputCount));
        inputCount += samples.Length;
        if (!hasEnded) written += samples.Length;
    }

    /// <summary>Says that no more samples come: silence follows, and the last ones can be read.</summary>
    public void End()
    {
        if (hasEnded) return;
        hasEnded = true;
        Span<float> silence = stackalloc float[256];
        silence.Clear();
        for (int left = taps; left > 0; left -= silence.Length) Write(silence[..Math.Min(left, silence.Length)]);
    }

    /// <summary>Samples of the new rate, as many as there are and fit.</summary>
    public int Read(Span<float> samples)
    {
        if (taps == 0)
        {
            int start = (int)(read - inputStart), ready = Math.Min(samples.Length, inputCount - start);
            input.AsSpan(start, ready).CopyTo(samples);
            read += ready;
            return ready;
        }
        int count = 0;
        long limit = hasEnded ? OutputLength(written) : long.MaxValue;
        for (; count < samples.Length && read < limit; count++, read++)
        {
            long first = FirstInput(read) - inputStart;
            if (first + taps > inputCount) break;
            samples[count] = At((int)first, (int)(read * down % up));
        }
        return count;
    }

    /// <summary>The first of the input samples that make output sample n.</summary>
    private long FirstInput(long n) => n * down / up - taps / 2 + 1;

    private float At(int first, int fraction)
    {
        ReadOnlySpan<float> signal = input.AsSpan(first, taps);
        if (!isInterpolated) return Dot(signal, table.AsSpan(fraction * taps, taps));
        long position = (long)fraction * rows;
        int row = (int)(position / up);
        float weight = (float)((double)(position % up) / up);
        float below = Dot(signal, table.AsSpan(row * taps, taps)), above = Dot(signal, table.AsSpan((row + 1) * taps, taps));
        return below + weight * (above - below);
    }

    /// <summary>Sum of products in 8 lanes with fused multiply-adds, then l + (l + 4), + 2, + 1.</summary>
    private static float Dot(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        ref float a = ref MemoryMarshal.GetReference(x), b = ref MemoryMarshal.GetReference(y);
        Vector128<float> low = Vector128<float>.Zero, high = low;
        for (nuint i = 0; i + Lanes <= (nuint)x.Length; i += Lanes)
        {
            low = Vector128.FusedMultiplyAdd(Vector128.LoadUnsafe(ref a, i), Vector128.LoadUnsafe(ref b, i), low);
            high = Vector128.FusedMultiplyAdd(Vector128.LoadUnsafe(ref a, i + 4), Vector128.LoadUnsafe(ref b, i + 4), high);
        }
        Vector128<float> sum = low + high;
        return sum.GetElement(0) + sum.GetElement(2) + (sum.GetElement(1) + sum.GetElement(3));
    }

    /// <summary>The filter for outputs that are `fraction` after an input sample; its sum is 1, so that a constant stays one.</summary>
    private void FillRow(Span<float> row, double fraction, double scale)
    {
        double half = HalfWidth / scale, sum = 0;
        double[] values = new double[row.Length];
        for (int j = 0; j < row.Length; j++)
        {
            double t = j - taps / 2 + 1 - fraction, share = t / half;
            if (Math.Abs(share) >= 1) continue;
            double angle = Math.PI * Cutoff * scale * t;
            double sinc = angle == 0 ? 1 : Polynomials.SinCos(angle).Sin / angle;
            sum += values[j] = sinc * Bessel(KaiserBeta * Math.Sqrt(1 - share * share));
        }
        for (int j = 0; j < row.Length; j++) row[j] = (float)(values[j] / sum);
    }

    /// <summary>The modified Bessel function of order 0: sum over k of ((x / 2)^k / k!)^2.</summary>
    private static double Bessel(double x)
    {
        double sum = 1, term = 1;
        for (int k = 1; term > 1e-17 * sum; k++)
        {
            term *= x / (2 * k) * (x / (2 * k));
            sum += term;
        }
        return sum;
    }
}
