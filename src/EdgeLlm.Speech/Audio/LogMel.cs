using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Kernels.Threading;

namespace EdgeLlm.Speech.Audio;

/// <summary>
/// Whisper's front end: the logarithm of the energy in bands of the mel scale, every 10 ms. Windows of 25 ms (Hann) are centred on the
/// frames, bands are librosa's (Slaney's scale, each filter divided by its width), energies below 1e-8 of the largest are raised to it, and
/// the result is scaled to about -1..1. Source: openai/whisper audio.py, transformers' WhisperFeatureExtractor. Not safe for several
/// threads at once.
/// </summary>
internal sealed class LogMel
{
    /// <summary>Samples a second.</summary>
    public const int SampleRate = 16000;

    /// <summary>Samples from one frame to the next.</summary>
    public const int Hop = 160;

    /// <summary>Samples that a frame sees on either side of its centre.</summary>
    public const int Reach = Window / 2;

    private const int Window = 400;
    private const int Bins = Window / 2 + 1;
    private const double Floor = 1e-10;
    private const double Range = 8; // powers of ten below the largest

    private readonly float[] _hann = new float[Window];
    private readonly (int First, double[] Weights)[] _filters;
    private readonly Worker[] _workers;
    private readonly WorkerPool _pool;

    /// <param name="bands">80, or 128 of large-v3.</param>
    public LogMel(int bands, WorkerPool pool)
    {
        (Bands, _pool) = (bands, pool);
        for (int i = 0; i < Window; i++) _hann[i] = (float)(0.5 - 0.5 * Polynomials.SinCos(2 * Math.PI * i / Window).Cos);
        _filters = [.. Enumerable.Range(0, bands).Select(band => FilterOf(band, bands))];
        _workers = [.. Enumerable.Range(0, pool.Threads).Select(_ => new Worker())];
    }

    /// <summary>Bands of a frame.</summary>
    public int Bands { get; }

    /// <summary>
    /// Computes frames; frame f is centred on sample <paramref name="first"/> + 160 f. After the last sample there is silence; before the
    /// first the sound is mirrored.
    /// </summary>
    /// <param name="samples">Sound at 16 kHz.</param>
    /// <param name="first">Centre of the first frame, 0 or more.</param>
    /// <param name="mel">Receives [frames][Bands].</param>
    public void Compute(ReadOnlyMemory<float> samples, int first, int frames, float[] mel)
    {
        _pool.Run((frames + Worker.Frames - 1) / Worker.Frames, (chunk, thread) =>
        {
            int end = Math.Min(frames, (chunk + 1) * Worker.Frames);
            for (int frame = chunk * Worker.Frames; frame < end; frame++)
                ComputeFrame(samples.Span, first + frame * Hop, frame, mel, _workers[thread]);
        });
        float largest = float.NegativeInfinity;
        foreach (float value in mel.AsSpan(0, Bands * frames)) largest = Math.Max(largest, value);
        float floor = largest - (float)Range;
        foreach (ref float value in mel.AsSpan(0, Bands * frames)) value = (Math.Max(value, floor) + 4f) / 4f;
    }

    /// <summary>log10 of the energies of a frame.</summary>
    private void ComputeFrame(ReadOnlySpan<float> samples, int centre, int frame, float[] mel, Worker worker)
    {
        bool isSilent = true;
        for (int i = 0; i < Window; i++)
        {
            int at = Math.Abs(centre - Window / 2 + i);
            float sample = at < samples.Length ? samples[at] : 0;
            isSilent &= sample == 0;
            worker.Signal[i] = sample * _hann[i];
        }
        if (isSilent)
        {
            for (int band = 0; band < Bands; band++) mel[frame * Bands + band] = -10;
            return;
        }
        worker.Transform.Forward(worker.Signal, worker.Re, worker.Im);
        for (int k = 0; k < Bins; k++) worker.Power[k] = (double)worker.Re[k] * worker.Re[k] + (double)worker.Im[k] * worker.Im[k];
        for (int band = 0; band < Bands; band++)
        {
            (int start, double[] weights) = _filters[band];
            double sum = 0;
            for (int k = 0; k < weights.Length; k++) sum += weights[k] * worker.Power[start + k];
            mel[frame * Bands + band] = (float)(Polynomials.Log(Math.Max(sum, Floor)) * 0.43429448190325182765);
        }
    }

    /// <summary>A triangle from the centre of the band below to that of the band above.</summary>
    private static (int First, double[] Weights) FilterOf(int band, int bands)
    {
        double highest = MelOf(SampleRate / 2.0);
        double low = FrequencyOf(highest * band / (bands + 1)), centre = FrequencyOf(highest * (band + 1) / (bands + 1)),
            high = FrequencyOf(highest * (band + 2) / (bands + 1));
        double[] all = new double[Bins];
        for (int k = 0; k < Bins; k++)
        {
            double frequency = k * (double)SampleRate / Window;
            all[k] = Math.Max(0, Math.Min((frequency - low) / (centre - low), (high - frequency) / (high - centre))) * 2 / (high - low);
        }
        int first = Array.FindIndex(all, weight => weight > 0), last = Array.FindLastIndex(all, weight => weight > 0);
        return first < 0 ? (0, []) : (first, all[first..(last + 1)]);
    }

    // Slaney's scale: linear to 1000 Hz (15 mels), then logarithmic, 27 mels to a factor of 6.4.
    private const double LinearStep = 200.0 / 3, LogStart = 1000, LogStartMel = LogStart / LinearStep;
    private static readonly double LogStep = Polynomials.Log(6.4) / 27;

    private static double MelOf(double frequency) =>
        frequency < LogStart ? frequency / LinearStep : LogStartMel + Polynomials.Log(frequency / LogStart) / LogStep;

    private static double FrequencyOf(double mel) =>
        mel < LogStartMel ? mel * LinearStep : LogStart * Polynomials.Exp(LogStep * (mel - LogStartMel));

    /// <summary>Memory of one thread.</summary>
    private sealed class Worker
    {
        /// <summary>Frames that a thread takes at a time.</summary>
        public const int Frames = 32;

        public readonly FourierTransform Transform = new(Window);
        public readonly float[] Signal = new float[Window];
        public readonly float[] Re = new float[Bins];
        public readonly float[] Im = new float[Bins];
        public readonly double[] Power = new double[Bins];
    }
}
