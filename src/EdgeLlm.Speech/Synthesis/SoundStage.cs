using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Models;
using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Speech.Synthesis;

/// <summary>
/// Frames of a voice's spectra -> samples: the spectrum of the pulses is shaped, noise and a rest are added, and the inverse transforms of the frames overlap.
/// S = exp(min(lh, 7)) e^(i pi tanh(theta)) E + exp(min(ln, 7)) Z + exp(min(lr, 7)) e^(i phi).
/// </summary>
internal sealed unsafe class SoundStage : IDisposable
{
    private const int Hop = VoiceModel.Hop;
    private const int Length = VoiceModel.TransformLength;
    private const int Bins = VoiceModel.Bins;
    private const float MostGain = 7; // of the logarithms
    private const int RingFrames = 8; // of pulses: a transform needs four frames, mirrored ones at the edges two more

    private static readonly float[] Window = HannWindow();

    private readonly Kernel _kernel;
    private readonly FourierTransform _transform = new(Length);
    private readonly PulseTrain _pulses = new();
    private readonly float[] _ring = new float[RingFrames * Hop];
    private readonly float[] _frame = new float[Length];
    private readonly float[] _sums = new float[Length]; // of the frames that overlap, from the oldest frame's start
    private readonly float[] _re = new float[Bins], _im = new float[Bins], _noiseRe = new float[Bins], _noiseIm = new float[Bins];
    private readonly AlignedBuffer _turns = new(4L * Bins * sizeof(float)); // cosines and sines of theta's angle and of phi

    private int _frames, _pulseFrames, _frameIndex;
    private ulong _seed;

    public SoundStage(Kernel kernel) => _kernel = kernel;

    /// <summary>Gets each stage under the name that docs/speaking.md has, or null.</summary>
    public StageRecorder? Recorder { get; init; }

    /// <summary>Leaves the noise out: to compare with.</summary>
    public bool IsWithoutNoise { get; init; }

    /// <summary>Begins a sentence of so many frames.</summary>
    public void Begin(int frames, ulong seed)
    {
        (_frames, _seed, _pulseFrames, _frameIndex) = (frames, seed, 0, 0);
        _pulses.Begin();
        Array.Clear(_sums);
        Array.Clear(_ring);
    }

    /// <summary>Samples that the next frames complete: the sentence's last frame brings those that waited for it.</summary>
    public int SamplesOf(int count)
    {
        int done = _frameIndex + count;
        return (Completed(done) - Completed(_frameIndex)) * Hop;
    }

    /// <summary>Takes the next frames and writes the samples that they complete.</summary>
    /// <param name="pitch">Hz of all frames; read to three frames after the last of these.</param>
    /// <param name="frames">[count][FrameWidth]; overwritten.</param>
    /// <param name="samples">[<see cref="SamplesOf"/>].</param>
    /// <exception cref="NotFiniteException">A sample is infinite or not a number: the voice's weights are damaged.</exception>
    public void Add(ReadOnlySpan<float> pitch, float* frames, int count, Span<float> samples)
    {
        int written = 0;
        for (int i = 0; i < count; i++, _frameIndex++)
        {
            while (_pulseFrames < Math.Min(_frameIndex + 3, _frames)) AddPulses(pitch);
            MakeSpectrum(frames + (nint)i * VoiceModel.FrameWidth);
            _transform.Inverse(_re, _im, _frame);
            for (int j = 0; j < Length; j++) _sums[j] = MathF.FusedMultiplyAdd(_frame[j], Window[j], _sums[j]);

            // The sums' first quarter is complete; at the sentence's end the two after it are, too.
            int blocks = _frameIndex == _frames - 1 ? 3 : 1;
            for (int block = _frameIndex - 2; blocks > 0; blocks--, block++)
            {
                if (block >= 0)
                {
                    Finish(block, samples.Slice(written, Hop));
                    written += Hop;
                }
                _sums.AsSpan(Hop).CopyTo(_sums);
                _sums.AsSpan(Length - Hop).Clear();
            }
        }
        Recorder?.Add("audio", samples[..written], 1);
    }

    public void Dispose() => _turns.Dispose();

    /// <summary>Frames of samples that are complete once so many frames of spectra are in: a sample waits for the two frames after its own.</summary>
    private int Completed(int frames) => frames == _frames ? frames : Math.Max(frames - 2, 0);

    /// <summary>Divides the first of the sums by the windows' power, which is less at a sentence's edges.</summary>
    private void Finish(int block, Span<float> samples)
    {
        for (int j = 0; j < Hop; j++)
        {
            float power = 0;
            for (int frame = Math.Max(block - 1, 0); frame <= Math.Min(block + 2, _frames - 1); frame++)
            {
                float weight = Window[(block + 2 - frame) * Hop + j];
                power += weight * weight;
            }
            float sample = _sums[j] / power;
            if (!float.IsFinite(sample)) throw new NotFiniteException("a sample of the voice is infinite or not a number: its weights are damaged");
            samples[j] = sample;
        }
    }

    private void AddPulses(ReadOnlySpan<float> pitch)
    {
        Span<float> samples = _ring.AsSpan(_pulseFrames % RingFrames * Hop, Hop);
        _pulses.Next(pitch, _pulseFrames++, samples);
        Recorder?.Add("pulses", samples, 1);
    }

    /// <summary>The spectrum of the frame at hand in _re, _im.</summary>
    private void MakeSpectrum(float* frame)
    {
        float* gain = frame, phase = frame + Bins, noiseGain = frame + 2 * Bins, restGain = frame + 3 * Bins, restPhase = frame + 4 * Bins;
        float* cosines = (float*)_turns.Start, sines = cosines + Bins, restCosines = sines + Bins, restSines = restCosines + Bins;
        _kernel.Exponential(gain, MostGain, Bins);
        _kernel.Exponential(noiseGain, MostGain, 2 * Bins);
        _kernel.Cap(phase, 1, Bins); // tanh
        _kernel.Multiply(phase, (float)Math.PI, Bins);
        _kernel.Turn(phase, cosines, sines, Bins);
        _kernel.Turn(restPhase, restCosines, restSines, Bins);
        TransformPulses();
        if (!IsWithoutNoise) CounterNoise.Fill(_seed, _frameIndex, _noiseRe, _noiseIm);
        Recorder?.AddPairs("noise", _noiseRe, _noiseIm);
        for (int b = 0; b < Bins; b++)
        {
            float re = _re[b], im = _im[b];
            _re[b] = gain[b] * (cosines[b] * re - sines[b] * im) + noiseGain[b] * _noiseRe[b] + restGain[b] * restCosines[b];
            _im[b] = gain[b] * (cosines[b] * im + sines[b] * re) + noiseGain[b] * _noiseIm[b] + restGain[b] * restSines[b];
        }
    }

    /// <summary>The windowed transform of the pulses around the frame's start; outside the sentence they are mirrored.</summary>
    private void TransformPulses()
    {
        int start = _frameIndex * Hop - Length / 2, samples = _frames * Hop;
        for (int j = 0; j < Length; j++)
        {
            int sample = start + j;
            while (sample < 0 || sample >= samples) sample = sample < 0 ? -sample : 2 * (samples - 1) - sample;
            _frame[j] = _ring[sample % (RingFrames * Hop)] * (Window[j] * (1f / Hop));
        }
        _transform.Forward(_frame, _re, _im);
        Recorder?.AddPairs("source_spectrum", _re, _im);
    }

    private static float[] HannWindow()
    {
        float[] window = new float[Length];
        for (int i = 0; i < Length; i++) window[i] = (float)(0.5 - 0.5 * Polynomials.SinCos(2 * Math.PI * i / Length).Cos);
        return window;
    }
}
