using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Kernels.Vectors;

namespace EdgeLlm.Speech.Synthesis;

/// <summary>
/// The voice's source: a train of pulses with the pitch of the frames, as the sum of all cosines below 11 kHz in closed form (Dirichlet's
/// kernel), 0 where there is no voice. Samples are made in order, a frame at a time: the phase is a running sum in doubles.
/// </summary>
internal sealed unsafe class PulseTrain
{
    private const double LeastPitch = 40;
    private const double HighestFrequency = 11000;

    // Beside a peak, where the closed form divides two small numbers, its limit stands for it.
    private const double LeastSine = 2e-3;

    private double _turns; // cycles since the start, whole ones too

    /// <summary>Begins a sentence.</summary>
    public void Begin() => _turns = 0;

    /// <summary>The next frame's samples.</summary>
    /// <param name="pitch">Hz of every frame.</param>
    /// <param name="frame">The frame; each is made once, in order.</param>
    /// <param name="samples">[<see cref="VoiceModel.Hop"/>].</param>
    public void Next(ReadOnlySpan<float> pitch, int frame, Span<float> samples)
    {
        double before = pitch[Math.Max(frame - 1, 0)], here = pitch[frame], after = pitch[Math.Min(frame + 1, pitch.Length - 1)];
        double* pitches = stackalloc double[VoiceModel.Hop], turns = stackalloc double[VoiceModel.Hop];
        for (int i = 0; i < VoiceModel.Hop; i++)
        {
            // The pitch is linear between the frames' centres.
            double place = (i + 0.5) / VoiceModel.Hop - 0.5;
            double f = place < 0 ? before * -place + here * (1 + place) : here * (1 - place) + after * place;
            pitches[i] = f > LeastPitch ? f : LeastPitch; // also of what is not a number
            turns[i] = _turns += pitches[i];
        }
        if (!(Math.Max(before, Math.Max(here, after)) > LeastPitch))
        {
            samples.Clear();
            return;
        }
        for (int i = 0; i < VoiceModel.Hop; i += 4)
        {
            Vector128.Narrow(Pulses(Vector128.Load(pitches + i), Vector128.Load(turns + i)),
                Pulses(Vector128.Load(pitches + i + 2), Vector128.Load(turns + i + 2))).StoreUnsafe(ref samples[i]);
        }
    }

    /// <summary>Two samples of their pitches, 0 at the least one, and cycles times samples a second.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<double> Pulses(Vector128<double> pitch, Vector128<double> turns)
    {
        Vector128<double> half = Vector128.Create(0.5), two = Vector128.Create(2.0);
        turns /= Vector128.Create((double)VoiceModel.SampleRate);
        Vector128<double> angle = (turns - Vector128.Floor(turns)) * Vector128.Create(2 * Math.PI);
        Vector128<double> harmonics = Vector128.Floor(Vector128.Create(HighestFrequency) / pitch) + half;
        Vector128<double> divisor = two * VectorPolynomials.SinCos(angle * half).Sin;
        Vector128<double> pulse = Vector128.ConditionalSelect(
            Vector128.LessThanOrEqual(Vector128.Abs(divisor), Vector128.Create(LeastSine)), harmonics,
            VectorPolynomials.SinCos(harmonics * angle).Sin / divisor);
        return (pulse - half) & Vector128.GreaterThan(pitch, Vector128.Create(LeastPitch));
    }
}

/// <summary>
/// Normally distributed noise that is a function of a counter: bin b of frame t is number n = 601 t + b of a seed. Two outputs of
/// splitmix64, 2n + 1 and 2n + 2 steps after the seed, make a pair by Box and Muller's transform.
/// </summary>
internal static class CounterNoise
{
    private const ulong Step = 0x9E3779B97F4A7C15;
    private const double Unit = 1.0 / (1L << 53);

    /// <summary>The noise of a frame.</summary>
    /// <param name="real">[601], of variance 1.</param>
    /// <param name="imaginary">The same.</param>
    public static void Fill(ulong seed, long frame, Span<float> real, Span<float> imaginary)
    {
        ulong n = (ulong)frame * VoiceModel.Bins;
        int b = 0;
        for (; b <= real.Length - 4; b += 4, n += 4)
        {
            (Vector128<double> re, Vector128<double> im) = Pair(seed, n);
            (Vector128<double> nextRe, Vector128<double> nextIm) = Pair(seed, n + 2);
            Vector128.Narrow(re, nextRe).StoreUnsafe(ref real[b]);
            Vector128.Narrow(im, nextIm).StoreUnsafe(ref imaginary[b]);
        }
        for (; b < real.Length; b++, n++)
        {
            double first = ((Mix(seed + (2 * n + 1) * Step) >> 11) + 0.5) * Unit, second = (Mix(seed + (2 * n + 2) * Step) >> 11) * Unit;
            double radius = Math.Sqrt(-2 * Polynomials.Log(first));
            (double sin, double cos) = Polynomials.SinCos(2 * Math.PI * second);
            (real[b], imaginary[b]) = ((float)(radius * cos), (float)(radius * sin));
        }
    }

    /// <summary>The numbers n and n + 1, by the same steps as one alone.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<double> Re, Vector128<double> Im) Pair(ulong seed, ulong n)
    {
        ulong state = seed + (2 * n + 1) * Step, next = state + Step, third = next + Step, fourth = third + Step;
        Vector128<double> first = Vector128.Create((double)(Mix(state) >> 11), Mix(third) >> 11);
        Vector128<double> second = Vector128.Create((double)(Mix(next) >> 11), Mix(fourth) >> 11);
        Vector128<double> logarithm = VectorPolynomials.Log((first + Vector128.Create(0.5)) * Vector128.Create(Unit));
        Vector128<double> radius = Vector128.Sqrt(Vector128.Create(-2.0) * logarithm);
        (Vector128<double> sin, Vector128<double> cos) =
            VectorPolynomials.SinCos(Vector128.Create(2 * Math.PI) * (second * Vector128.Create(Unit)));
        return (radius * cos, radius * sin);
    }

    /// <summary>The output function of splitmix64 (Steele, Lea, Flood 2014).</summary>
    private static ulong Mix(ulong z)
    {
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
        z = (z ^ z >> 27) * 0x94D049BB133111EB;
        return z ^ z >> 31;
    }
}
