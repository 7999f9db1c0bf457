using System.Numerics;
using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Speech.Detection;

/// <summary>
/// The features that microWakeWord's models hear: TensorFlow's micro_frontend (github.com/tensorflow/tflite-micro, lib/: window, FFT,
/// filter bank, noise reduction, gain control by channel, logarithm) in its integers, with the settings of ESPHome. 40 of them each 10 ms
/// of sound at 16 kHz.
/// </summary>
/// <remarks>Not safe for several threads at once.</remarks>
internal sealed class MicroFrontEnd
{
    /// <summary>Samples a second that it hears.</summary>
    public const int SampleRate = 16_000;

    /// <summary>Features of a frame.</summary>
    public const int Features = 40;

    /// <summary>Samples from one frame to the next, and of a frame.</summary>
    public const int StepSamples = 160, FrameSamples = 480;

    // Bits after the point of: the window, the filters' weights, the noise estimate's shares, the gain's ratio and result.
    private const int WindowBits = 12, FilterBits = 12, ShareBits = 14, RatioBits = 12, GainResultBits = 6;

    // Noise reduction: bits that estimates have more than the signal, shares of even and odd channels, what always stays.
    private const int SmoothingBits = 10;
    private const uint EvenShare = (uint)(.025 * (1 << ShareBits)), OddShare = (uint)(.06 * (1 << ShareBits)),
        LeastLeft = (uint)(.05 * (1 << ShareBits));

    // Gain control: 2^21 (noise + 80)^-0.95, from a table of quadratic pieces, one a power of two. The FFT's scale is 3 bits more than the
    // filters'.
    private const int GainBits = 21, CorrectionBits = 3;
    private const double GainStrength = .95, GainOffset = 80;

    private const int LogBits = 16, LogSegmentBits = 7, LogScaleShift = 6;
    private const uint NaturalLog = 45_426; // ln 2 * 2^16

    private readonly short[] window = new short[FrameSamples], samples = new short[FrameSamples],
        padded = new short[FixedPointTransform.Length];
    private readonly short[] real = new short[FixedPointTransform.Length / 2 + 1],
        imaginary = new short[FixedPointTransform.Length / 2 + 1];
    private readonly FixedPointTransform transform = new();
    private readonly int[] starts = new int[Features + 1], weightStarts = new int[Features + 1];
    private readonly short[] weights, unweights;
    private readonly short[] gains = new short[4 * 32 - 3];
    private readonly short[] logs = new short[(1 << LogSegmentBits) + 1];
    private readonly ulong[] sums = new ulong[Features + 1];
    private readonly uint[] noise = new uint[Features];
    private int filled;

    public MicroFrontEnd()
    {
        const float Arc = (float)(Math.PI * 2 / FrameSamples);
        for (int i = 0; i < FrameSamples; i++)
        {
            float share = .5f - .5f * (float)Polynomials.SinCos(Arc * (i + .5)).Cos;
            window[i] = (short)Math.Floor(share * (1 << WindowBits) + .5);
        }
        (weights, unweights) = MakeFilters();
        MakeGains();
        for (int i = 1; i < 1 << LogSegmentBits; i++)
        {
            double x = i / (double)(1 << LogSegmentBits);
            logs[i] = (short)Math.Round((Polynomials.Log(1 + x) / Polynomials.Log(2) - x) * (1 << LogBits));
        }
    }

    /// <summary>For tests: the tables that the reference gives.</summary>
    internal (short[] Window, short[] Weights, short[] Unweights, short[] Gains, short[] Logs) Tables =>
        (window, weights, unweights, gains, logs);

    /// <summary>Takes samples up to the end of the next frame.</summary>
    /// <param name="sound">16-bit samples.</param>
    /// <param name="features">[<see cref="Features"/>], written where a frame is complete.</param>
    /// <param name="isFrame">Whether a frame is complete.</param>
    /// <returns>How many samples were taken.</returns>
    public int Take(ReadOnlySpan<short> sound, Span<ushort> features, out bool isFrame)
    {
        int count = Math.Min(sound.Length, FrameSamples - filled);
        sound[..count].CopyTo(samples.AsSpan(filled));
        filled += count;
        isFrame = filled == FrameSamples;
        if (!isFrame) return count;
        int shift = Window();
        samples.AsSpan(StepSamples).CopyTo(samples);
        filled -= StepSamples;
        transform.Forward(padded, real, imaginary);
        Accumulate();
        for (int i = 0; i < Features; i++) features[i] = Log(Gain(i, ReduceNoise(i, (uint)(Root(sums[i + 1]) >> shift))));
        return count;
    }

    /// <summary>Forgets the sound so far.</summary>
    public void Reset()
    {
        filled = 0;
        Array.Clear(noise);
    }

    /// <summary>The windowed samples, shifted up as far as they fit 16 bits. Returns the shift.</summary>
    private int Window()
    {
        Vector128<short> extremes = Vector128<short>.Zero;
        for (int i = 0; i < FrameSamples; i += Vector128<short>.Count)
        {
            Vector128<short> sound = Vector128.Create(samples, i), shares = Vector128.Create(window, i);
            Vector128<short> value = Vector128.Narrow(
                (Vector128.WidenLower(sound) * Vector128.WidenLower(shares)) >> WindowBits,
                (Vector128.WidenUpper(sound) * Vector128.WidenUpper(shares)) >> WindowBits);
            value.CopyTo(padded, i);
            extremes = Vector128.Max(extremes, Vector128.Abs(value)); // that of -32768 is itself, and does not count
        }
        short largest = 0;
        for (int i = 0; i < Vector128<short>.Count; i++) largest = Math.Max(largest, extremes[i]);
        int shift = 15 - BitLength((uint)largest);
        for (int i = 0; i < FrameSamples; i += Vector128<short>.Count) (Vector128.Create(padded, i) << shift).CopyTo(padded, i);
        return shift;
    }

    /// <summary>Energies into 41 sums: each filter's falling half is the next one's rising half.</summary>
    private void Accumulate()
    {
        ulong rising = 0, falling = 0;
        for (int channel = 0; channel <= Features; channel++)
        {
            int end = channel == Features ? weights.Length : weightStarts[channel + 1];
            for (int w = weightStarts[channel], bin = starts[channel]; w < end; w++, bin++)
            {
                ulong energy = (ulong)(real[bin] * real[bin] + imaginary[bin] * imaginary[bin]);
                rising += (ulong)weights[w] * energy;
                falling += (ulong)unweights[w] * energy;
            }
            sums[channel] = rising;
            (rising, falling) = (falling, 0);
        }
    }

    /// <summary>The square root, rounded to the nearest.</summary>
    private static uint Root(ulong x)
    {
        ulong root = (ulong)Math.Sqrt(x);
        while (root > uint.MaxValue || root * root > x) root--;
        while (root < uint.MaxValue && (root + 1) * (root + 1) <= x) root++;
        ulong most = x <= uint.MaxValue ? ushort.MaxValue : uint.MaxValue;
        return (uint)(x - root * root > root && root != most ? root + 1 : root);
    }

    /// <summary>Takes the channel's slow mean away, but leaves a twentieth.</summary>
    private uint ReduceNoise(int channel, uint signal)
    {
        uint share = (channel & 1) == 0 ? EvenShare : OddShare, scaled = signal << SmoothingBits;
        uint estimate = (uint)(((ulong)scaled * share + (ulong)noise[channel] * ((1 << ShareBits) - share)) >> ShareBits);
        noise[channel] = estimate;
        uint left = (scaled - Math.Min(estimate, scaled)) >> SmoothingBits, least = (uint)(((ulong)signal * LeastLeft) >> ShareBits);
        return Math.Max(left, least);
    }

    /// <summary>The signal over a power of its noise, then a square root's shape near zero.</summary>
    private uint Gain(int channel, uint signal)
    {
        uint gain = (uint)GainOf(noise[channel]);
        uint ratio = (uint)(((ulong)signal * gain) >> (GainBits - CorrectionBits - RatioBits));
        return ratio < 2 << RatioBits ? ratio * ratio >> (2 + 2 * RatioBits - GainResultBits)
            : (ratio >> (RatioBits - GainResultBits)) - (1 << GainResultBits);
    }

    private short GainOf(uint estimate)
    {
        if (estimate <= 2) return gains[estimate];
        int interval = BitLength(estimate), at = 4 * interval - 6;
        int fraction = (int)((interval < 11 ? estimate << (11 - interval) : estimate >> (interval - 11)) & 0x3FF);
        int result = unchecked(((gains[at + 2] * fraction >> 5) + (gains[at + 1] << 5)) * fraction);
        return (short)((unchecked(result + (1 << 14)) >> 15) + gains[at]);
    }

    private ushort Log(uint value)
    {
        value <<= CorrectionBits;
        if (value <= 1) return 0;
        int integer = BitLength(value) - 1;
        int fraction = (int)(value - (1u << integer));
        fraction = integer < LogBits ? fraction << (LogBits - integer) : fraction >> (integer - LogBits);
        int segment = fraction >> (LogBits - LogSegmentBits), low = logs[segment], high = logs[segment + 1];
        int curve = low + ((high - low) * (fraction - (segment << (LogBits - LogSegmentBits))) >> LogBits);
        uint binary = (uint)((integer << LogBits) + fraction + curve);
        uint natural = (uint)(((ulong)NaturalLog * binary + (1 << (LogBits - 1))) >> LogBits);
        return (ushort)Math.Min(((natural << LogScaleShift) + (1 << (LogBits - 1))) >> LogBits, ushort.MaxValue);
    }

    /// <summary>Number of bits of x without leading zeros; 0 has none.</summary>
    private static int BitLength(uint x) => 32 - BitOperations.LeadingZeroCount(x);

    /// <summary>Triangles at equal distances on the mel scale from 125 to 7500 Hz, in single precision as the reference has them;
    /// rows are padded to a multiple of 4.</summary>
    private (short[] Weights, short[] Unweights) MakeFilters()
    {
        const float Low = 125, High = 7500, BinHertz = (float)(.5 * SampleRate / (FixedPointTransform.Length / 2));
        float lowest = Mel(Low), spacing = (Mel(High) - lowest) / (Features + 1);
        List<short> rising = [], falling = [];
        int bin = (int)(1.5 + Low / BinHertz);
        float before = lowest;
        for (int channel = 0; channel <= Features; channel++)
        {
            float center = MathF.FusedMultiplyAdd(spacing, channel + 1, lowest);
            starts[channel] = bin / 2 * 2;
            weightStarts[channel] = rising.Count;
            for (int skipped = starts[channel]; skipped < bin; skipped++) Add(0, 0);
            for (; Mel(bin * BinHertz) <= center; bin++)
            {
                float weight = (center - Mel(bin * BinHertz)) / (center - before);
                Add((short)Math.Floor(weight * (1 << FilterBits) + .5), (short)Math.Floor((1.0 - weight) * (1 << FilterBits) + .5));
            }
            while ((rising.Count - weightStarts[channel]) % 4 != 0) Add(0, 0);
            before = center;
        }
        return ([.. rising], [.. falling]);

        void Add(short weight, short unweight)
        {
            rising.Add(weight);
            falling.Add(unweight);
        }

        // The library that the reference was built with rounds log1pf of this one bin downwards, which moves a weight by one.
        static float Mel(float hertz)
        {
            float logarithm = (float)Polynomials.Log(1 + hertz / 700.0);
            return 1127f * (hertz == 149 * BinHertz ? MathF.BitDecrement(logarithm) : logarithm);
        }
    }

    private void MakeGains()
    {
        (gains[0], gains[1]) = (Of(0), Of(1));
        for (int interval = 2; interval <= 32; interval++)
        {
            uint start = 1u << (interval - 1), end = interval == 32 ? start + (start - 1) : 2 * start;
            int y = Of(start), toMiddle = Of(start + (start >> 1)) - y, toEnd = Of(end) - y, slope = 4 * toMiddle - toEnd;
            int at = 4 * interval - 6;
            (gains[at], gains[at + 1], gains[at + 2]) = ((short)y, (short)slope, (short)(toEnd - slope));
        }

        static short Of(uint estimate)
        {
            float x = (float)estimate / (1 << (SmoothingBits - CorrectionBits)) + (float)GainOffset;
            float gain = (1 << GainBits) * (float)Polynomials.Pow(x, -(float)GainStrength);
            return gain > short.MaxValue ? short.MaxValue : (short)(gain + .5f);
        }
    }
}
