using EdgeLlm.Kernels;

namespace EdgeLlm.Speech.Synthesis;

/// <summary>Makes the sound of one sentence after the other, piece by piece. One caller at a time.</summary>
internal sealed unsafe class SentenceSynthesis : IDisposable
{
    private readonly VoiceMachine _machine;
    private readonly SentenceNetwork _network;
    private readonly SoundStage _sound;
    private float[] _samples = [];

    /// <param name="floatActivations">Multiply packed matrices with float activations.</param>
    /// <param name="recorder">Receives every stage, or null.</param>
    public SentenceSynthesis(VoiceModel model, Kernel kernel, int threads = 1, bool floatActivations = false,
        StageRecorder? recorder = null, bool isWithoutNoise = false)
    {
        _machine = new VoiceMachine(kernel, threads, model.WidestInput, floatActivations);
        _network = new SentenceNetwork(model, _machine) { Recorder = recorder };
        _sound = new SoundStage(kernel) { Recorder = recorder, IsWithoutNoise = isWithoutNoise };
    }

    /// <summary>Steps of 25 ms of each id of the sentence.</summary>
    public int[] Durations => _network.Durations;

    /// <summary>Samples of the sentence.</summary>
    public int SampleCount => _network.FrameCount * VoiceModel.Hop;

    /// <summary>Begins a sentence.</summary>
    /// <exception cref="ArgumentException">There are too many ids, or one is not the voice's.</exception>
    /// <exception cref="Models.NotFiniteException">The weights are damaged.</exception>
    public void Begin(ReadOnlySpan<int> ids, in SentenceSettings settings, ulong seed)
    {
        _network.Begin(ids, settings);
        _sound.Begin(_network.FrameCount, seed);
    }

    /// <summary>
    /// The next samples, a multiple of <see cref="VoiceModel.Hop"/>; none where the sentence ends. Valid until the next call.
    /// </summary>
    /// <exception cref="Models.NotFiniteException">The weights are damaged.</exception>
    public ReadOnlySpan<float> Next()
    {
        while (_network.Next() is > 0 and var frames)
        {
            int samples = _sound.SamplesOf(frames);
            if (samples > _samples.Length) _samples = new float[samples];
            _sound.Add(_network.Pitch, _network.Frames, frames, _samples.AsSpan(0, samples));
            if (samples > 0) return _samples.AsSpan(0, samples);
        }
        return [];
    }

    public void Dispose()
    {
        _network.Dispose();
        _sound.Dispose();
        _machine.Dispose();
    }
}
