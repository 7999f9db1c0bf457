namespace EdgeLlm.Speech.Synthesis;

/// <summary>Something to be said in one go.</summary>
/// <param name="Ids">Numbers of its phonemes, a 0 before and after them; none: only the pause.</param>
/// <param name="Rate">Factor of the tempo, beside that of the options.</param>
/// <param name="Pause">Seconds of silence after it if something follows.</param>
internal readonly record struct Utterance(IReadOnlyList<int> Ids, double Rate, double Pause);

/// <summary>Joins utterances to one sound: edges without clicks, pauses between them, the volume. One caller at a time.</summary>
internal sealed class SpokenSound
{
    private const int FirstDurationAtMost = 3; // with 2, sentences that begin with n, m, s, sh or w lose half of it

    private readonly SentenceSynthesis _synthesis;
    private readonly SilenceTrimmer _trimmer = new();
    private readonly SpeechOptions _options;
    private readonly List<float> _samples = [];
    private ulong _number;
    private int _silence; // samples that are owed before the next utterance

    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public SpokenSound(SentenceSynthesis synthesis, SpeechOptions options)
    {
        options.Check();
        (_synthesis, _options) = (synthesis, options);
    }

    /// <summary>The samples of an utterance in pieces, after the pause that the one before it asked for.</summary>
    public IEnumerable<ReadOnlyMemory<float>> Say(Utterance utterance)
    {
        if (utterance.Ids.Count == 0)
        {
            _silence += (int)Math.Round(utterance.Pause * VoiceModel.SampleRate);
            yield break;
        }
        double speed = Math.Clamp(_options.Speed * utterance.Rate, SpeechOptions.LeastSpeed, SpeechOptions.GreatestSpeed);
        var settings = new SentenceSettings { Speed = (float)speed, FirstDurationAtMost = _options.KeepsSilence ? 0 : FirstDurationAtMost };
        _samples.Clear();
        for (; _silence > 0; _silence--) _samples.Add(0);
        _synthesis.Begin([.. utterance.Ids], settings, _options.Seed + _number++);
        _trimmer.Begin();
        while (Next())
        {
            if (_samples.Count > 0) yield return Take();
        }
        int rest = _options.KeepsSilence ? 0 : _trimmer.End(_samples);
        if (_samples.Count > 0) yield return Take();
        if (!_options.KeepsSilence) _silence = Math.Max(0, (int)Math.Round(utterance.Pause * VoiceModel.SampleRate) - rest);
    }

    private bool Next()
    {
        ReadOnlySpan<float> piece = _synthesis.Next();
        if (_options.KeepsSilence) _samples.AddRange(piece);
        else _trimmer.Add(piece, _samples);
        return !piece.IsEmpty;
    }

    private float[] Take()
    {
        float[] samples = [.. _samples];
        _samples.Clear();
        float volume = (float)_options.Volume;
        if (volume != 1)
        {
            for (int i = 0; i < samples.Length; i++) samples[i] = Math.Clamp(samples[i] * volume, -1f, 1f);
        }
        return samples;
    }
}
