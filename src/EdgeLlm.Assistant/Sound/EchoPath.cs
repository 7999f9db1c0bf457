using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Detection;

namespace EdgeLlm.Assistant.Sound;

/// <summary>
/// The way from the player to the microphone: played samples wait here until they sound, and are taken out of what is heard. Its own wake
/// words are known before they sound. Samples are added on one thread and heard on another.
/// </summary>
internal sealed class EchoPath
{
    // A word of its own counts as long as its echo may be heard; and below the cutoff, for an echo may be clearer than the sound.
    private const int OwnWordSamples = 3 * AudioReader.SpeechRate / 2, OwnWordProbability = 96;
    private const int MostWaiting = 120 * AudioReader.SpeechRate;
    private const int MostAfterwards = 3 * AudioReader.SpeechRate / 4; // what the canceller may still find of a sound that is over

    private readonly Lock _turn = new();
    private readonly Queue<float> _waiting = [];
    private readonly EchoCanceller _canceller = new();
    private readonly WakeWordListener? _ownWords;
    private readonly float[] _block = new float[EchoCanceller.Block], _resampled = new float[4096];
    private Resampler? _resampler;
    private int _rate;
    private long _position, _ownUntil;

    /// <param name="ownWords">Wake words, for this alone; null: none.</param>
    public EchoPath(WakeWordListener? ownWords)
    {
        _ownWords = ownWords;
        if (ownWords is not null)
            ownWords.Inferred = (_, probability) => _ownUntil = probability >= OwnWordProbability ? _position + OwnWordSamples : _ownUntil;
    }

    /// <summary>Whether the assistant itself says a wake word, or did a moment ago.</summary>
    public bool IsOwnWord => _position < _ownUntil;

    /// <summary>Takes samples that are handed to the player.</summary>
    public void Play(ReadOnlySpan<float> samples, int rate)
    {
        using Lock.Scope turn = _turn.EnterScope();
        if (_resampler is null || rate != _rate) (_resampler, _rate) = (new Resampler(rate, AudioReader.SpeechRate), rate);
        _resampler.Write(samples);
        for (int count; (count = _resampler.Read(_resampled)) > 0;)
        {
            for (int i = 0; i < count && _waiting.Count < MostWaiting; i++) _waiting.Enqueue(_resampled[i]);
        }
    }

    /// <summary>Forgets what will not sound any more.</summary>
    public void Stop()
    {
        lock (_turn)
        {
            _waiting.Clear();
            _waiting.TrimExcess();
        }
    }

    /// <summary>
    /// All has sounded: of what still waits, as the microphone stood still meanwhile, only the end may be heard yet. The rest would be taken
    /// for the echo of all later sound.
    /// </summary>
    public void Finish()
    {
        using Lock.Scope turn = _turn.EnterScope();
        if (_waiting.Count <= MostAfterwards) return;
        while (_waiting.Count > MostAfterwards) _waiting.Dequeue();
        _waiting.TrimExcess();
    }

    /// <summary>Samples that have not sounded yet, by the microphone's clock.</summary>
    internal int Waiting
    {
        get { lock (_turn) return _waiting.Count; }
    }

    /// <summary>Takes the echo out of a piece.</summary>
    /// <param name="heard">[<see cref="EchoCanceller.Block"/>] samples.</param>
    public void Clean(Span<float> heard)
    {
        Array.Clear(_block);
        lock (_turn)
        {
            for (int i = 0; i < _block.Length && _waiting.TryDequeue(out float sample); i++) _block[i] = sample;
        }
        _position += _block.Length;
        _ownWords?.Write(_block, static _ => { });
        _canceller.Process(heard, _block);
    }
}
