using System.Runtime.Intrinsics;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Models;
using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Speech.Synthesis;

/// <summary>
/// Frames of a voice's spectra -> samples: the spectrum of the pulses is shaped, noise and a rest are added, and the inverse transforms of
/// the frames overlap. S = exp(min(lh, 7)) e^(i pi tanh(theta)) E + exp(min(ln, 7)) Z + exp(min(lr, 7)) e^(i phi).
/// </summary>
internal sealed unsafe class SoundStage : IDisposable
{
    private const int Hop = VoiceModel.Hop;
    private const int Length = VoiceModel.TransformLength;
    private const int Bins = VoiceModel.Bins;
    private const float MostGain = 7; // of the logarithms
    private const int RingFrames = 8; // of pulses: a transform needs four frames, mirrored ones at the edges two more

    private static readonly float[] Window = HannWindow();
    private static readonly float[] PulseWindow = [.. Window.Select(static weight => weight * (1f / Hop))];
    private static readonly float[] InnerPowers = Powers(2, 10);

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

    /// <summary>Receives each stage under the name that docs/speaking.md has, or null.</summary>
    public StageRecorder? Recorder { get; init; }

    /// <summary>Leaves the noise out: to compare with.</summary>
    public bool IsWithoutNoise { get; init; }

    /// <summary>Begins a sentence of a given number of frames.</summary>
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
            AddFrame();

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

    /// <summary>
    /// Frames of samples that are complete once a given number of frames of spectra are in: a sample waits for the two frames after its
    /// own.
    /// </summary>
    private int Completed(int frames) => frames == _frames ? frames : Math.Max(frames - 2, 0);

    /// <summary>Adds the frame at hand, windowed, to the sums.</summary>
    private void AddFrame()
    {
        fixed (float* frame = _frame, window = Window, sums = _sums)
        {
            for (nint j = 0; j < Length; j += 4)
                Vector128.FusedMultiplyAdd(Vector128.Load(frame + j), Vector128.Load(window + j), Vector128.Load(sums + j)).Store(sums + j);
        }
    }

    /// <summary>Divides the first of the sums by the windows' power, which is less at a sentence's edges.</summary>
    private void Finish(int block, Span<float> samples)
    {
        float[] powers = block > 0 && block < _frames - 2 ? InnerPowers : Powers(block, _frames);
        Vector128<float> check = Vector128<float>.Zero; // infinite times 0 is not a number
        fixed (float* sums = _sums, power = powers, to = samples)
        {
            for (nint j = 0; j < Hop; j += 4)
            {
                Vector128<float> four = Vector128.Load(sums + j) / Vector128.Load(power + j);
                check += four * 0f;
                four.Store(to + j);
            }
        }
        if (check != Vector128<float>.Zero)
            throw new NotFiniteException("a sample of the voice is infinite or not a number: its weights are damaged");
    }

    /// <summary>Sums of the squares of the windows that overlap in a block.</summary>
    private static float[] Powers(int block, int frames)
    {
        float[] powers = new float[Hop];
        for (int j = 0; j < Hop; j++)
        {
            for (int frame = Math.Max(block - 1, 0); frame <= Math.Min(block + 2, frames - 1); frame++)
            {
                float weight = Window[(block + 2 - frame) * Hop + j];
                powers[j] += weight * weight;
            }
        }
        return powers;
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
        fixed (float* re = _re, im = _im, noiseRe = _noiseRe, noiseIm = _noiseIm)
        {
            nint b = 0;
            for (; b <= Bins - 4; b += 4)
            {
                Vector128<float> g = Vector128.Load(gain + b), c = Vector128.Load(cosines + b), s = Vector128.Load(sines + b),
                    x = Vector128.Load(re + b), y = Vector128.Load(im + b);
                Vector128<float> n = Vector128.Load(noiseGain + b), r = Vector128.Load(restGain + b);
                (g * (c * x - s * y) + n * Vector128.Load(noiseRe + b) + r * Vector128.Load(restCosines + b)).Store(re + b);
                (g * (c * y + s * x) + n * Vector128.Load(noiseIm + b) + r * Vector128.Load(restSines + b)).Store(im + b);
            }
            for (; b < Bins; b++)
            {
                float x = re[b], y = im[b];
                re[b] = gain[b] * (cosines[b] * x - sines[b] * y) + noiseGain[b] * noiseRe[b] + restGain[b] * restCosines[b];
                im[b] = gain[b] * (cosines[b] * y + sines[b] * x) + noiseGain[b] * noiseIm[b] + restGain[b] * restSines[b];
            }
        }
    }

    /// <summary>The windowed transform of the pulses around the frame's start; outside the sentence they are mirrored.</summary>
    private void TransformPulses()
    {
        fixed (float* ring = _ring, window = PulseWindow, frame = _frame)
        {
            for (int part = 0; part < Length / Hop; part++)
            {
                int source = _frameIndex - 2 + part;
                float* weights = window + part * Hop, target = frame + part * Hop;
                if (source < 0 || source >= _frames)
                {
                    for (int j = 0; j < Hop; j++) target[j] = ring[Mirrored(source * Hop + j) % (RingFrames * Hop)] * weights[j];
                    continue;
                }
                float* pulses = ring + source % RingFrames * Hop;
                for (nint j = 0; j < Hop; j += 4) (Vector128.Load(pulses + j) * Vector128.Load(weights + j)).Store(target + j);
            }
        }
        _transform.Forward(_frame, _re, _im);
        Recorder?.AddPairs("source_spectrum", _re, _im);
    }

    /// <summary>The sample within the sentence that stands for one outside.</summary>
    private int Mirrored(int sample)
    {
        int samples = _frames * Hop;
        while (sample < 0 || sample >= samples) sample = sample < 0 ? -sample : 2 * (samples - 1) - sample;
        return sample;
    }

    private static float[] HannWindow()
    {
        float[] window = new float[Length];
        for (int i = 0; i < Length; i++) window[i] = (float)(0.5 - 0.5 * Polynomials.SinCos(2 * Math.PI * i / Length).Cos);
        return window;
    }
}
