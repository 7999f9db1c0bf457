using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Detection;

namespace EdgeLlm.Assistant.Sound;

/// <summary>Events of an ear.</summary>
internal enum EarEvent
{
    /// <summary>A wake word.</summary>
    WakeWord,

    /// <summary>Somebody began to speak.</summary>
    VoiceStarted,

    /// <summary>A pause that may be the end: recognition may begin.</summary>
    VoicePaused,

    /// <summary>The pause is long enough to be the end.</summary>
    VoiceEnded,
}

/// <summary>
/// Sound at 16 kHz to events: wake words, and the beginning and end of speech. What it hears depends on the samples alone, not on the
/// pieces that they come in. Safe for use by several threads.
/// </summary>
internal sealed class Ear
{
    private const int Rate = AudioReader.SpeechRate, PreRoll = Rate * 4 / 10, MostRequest = 60 * Rate;
    private const float Threshold = .5f, EndThreshold = .35f;

    // So much silence may be a pause: recognition can begin on the guess that it is the end.
    // After a wake word a request is longer than that word's own end.
    private const int GuessSamples = Rate * 18 / 100, LeastSpeech = Rate * 12 / 100, LeastAfterWakeWord = Rate * 35 / 100;

    private readonly Lock _turn = new();
    private readonly WakeWordListener? _wakeWords;
    private readonly SpeechDetector _detector;
    private readonly int _hangover;
    private readonly Action<EarEvent> _tell;
    private readonly float[] _window;
    private readonly List<float> _request = [];
    private readonly float[] _recent = new float[PreRoll];
    private int _recentCount, _filled, _silence, _speech, _least = LeastSpeech;
    private bool _isSpeech, _isGuessed;

    /// <param name="wakeWords">Listens for wake words; null: none.</param>
    /// <param name="detector">Says where speech is, at 16 kHz.</param>
    /// <param name="hangover">Silence that ends a request.</param>
    /// <param name="tell">Is told of each event.</param>
    public Ear(WakeWordListener? wakeWords, SpeechDetector detector, TimeSpan hangover, Action<EarEvent> tell)
    {
        if (detector.SampleRate != Rate)
            throw new ArgumentException($"the detector hears {detector.SampleRate} samples a second, not {Rate}");
        (_wakeWords, _detector, _tell) = (wakeWords, detector, tell);
        _hangover = (int)(hangover.TotalSeconds * Rate);
        _window = new float[detector.WindowSamples];
    }

    /// <summary>Whether a wake word that is heard just now is the assistant's own; null: it never is.</summary>
    public Func<bool>? IsOwnWord { get; init; }

    /// <summary>Whether the sound is kept as a request.</summary>
    public bool IsListening { get; private set; }

    /// <summary>Samples heard so far.</summary>
    public long Position { get; private set; }

    /// <summary>Position of the last sample of speech.</summary>
    public long LastSpeech { get; private set; }

    /// <summary>Samples of the request so far.</summary>
    public float[] Request
    {
        get { lock (_turn) return [.. _request]; }
    }

    /// <summary>Keeps the sound from now on, and some before it.</summary>
    /// <param name="preRoll">Whether sound from before counts: not after a wake word, whose end it would have.</param>
    public void StartListening(bool preRoll)
    {
        lock (_turn)
        {
            IsListening = true;
            _request.Clear();
            if (preRoll) _request.AddRange(_recent[.._recentCount]);
            (_silence, _speech, _isSpeech, _isGuessed, _least) = (0, 0, false, false, preRoll ? LeastSpeech : LeastAfterWakeWord);
        }
    }

    /// <summary>Keeps nothing more.</summary>
    public void StopListening() => IsListening = false;

    /// <summary>Hears samples.</summary>
    public void Write(ReadOnlySpan<float> samples)
    {
        using Lock.Scope turn = _turn.EnterScope();
        _wakeWords?.Write(samples, Wake);
        if (IsListening && _request.Count < MostRequest) _request.AddRange(samples);
        Remember(samples);
        while (!samples.IsEmpty)
        {
            int part = Math.Min(samples.Length, _window.Length - _filled);
            samples[..part].CopyTo(_window.AsSpan(_filled));
            _filled += part;
            samples = samples[part..];
            Position += part;
            if (_filled < _window.Length) return;
            _filled = 0;
            Judge(_detector.Next(_window));
        }
    }

    private void Wake(WakeWordDetection word)
    {
        if (IsOwnWord?.Invoke() != true) _tell(EarEvent.WakeWord);
    }

    private void Judge(float probability)
    {
        if (probability >= Threshold)
        {
            LastSpeech = Position;
            _speech += _window.Length;
            (_silence, _isGuessed) = (0, false);
            if (_isSpeech || _speech < _least) return;
            _isSpeech = true;
            _tell(EarEvent.VoiceStarted);
            return;
        }
        if (probability >= EndThreshold && _isSpeech) return;
        _silence += _window.Length;
        if (!_isSpeech)
        {
            if (_silence < GuessSamples) return;
            _speech = 0; // a click, or the end of the wake word: not of the request
            if (IsListening && _request.Count > PreRoll) _request.RemoveRange(0, _request.Count - PreRoll);
            return;
        }
        if (!_isGuessed && _silence >= GuessSamples)
        {
            _isGuessed = true;
            _tell(EarEvent.VoicePaused);
        }
        if (_silence < _hangover) return;
        (_isSpeech, _speech) = (false, 0);
        _tell(EarEvent.VoiceEnded);
    }

    private void Remember(ReadOnlySpan<float> samples)
    {
        if (samples.Length >= PreRoll)
        {
            samples[^PreRoll..].CopyTo(_recent);
            _recentCount = PreRoll;
            return;
        }
        int kept = Math.Min(_recentCount, PreRoll - samples.Length);
        _recent.AsSpan(_recentCount - kept, kept).CopyTo(_recent);
        samples.CopyTo(_recent.AsSpan(kept));
        _recentCount = kept + samples.Length;
    }
}
