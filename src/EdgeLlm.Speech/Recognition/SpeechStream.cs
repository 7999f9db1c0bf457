using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Speech.Recognition;

/// <summary>Text so far of speech that continues.</summary>
/// <param name="Agreed">Text that two passes agreed on: it only grows.</param>
/// <param name="Tentative">What the last pass heard after it; may change.</param>
/// <param name="Seconds">Sound that was heard.</param>
public sealed record StreamUpdate(string Agreed, string Tentative, double Seconds);

/// <summary>
/// Speech to text while it is spoken. Passes are made each half second of sound, never by the clock, so the text follows from the samples
/// alone, whatever pieces they come in. What two passes in a row agree on stays; it begins the next pass's text, and the sound of words
/// long agreed on is dropped. Not safe for several threads at once.
/// </summary>
public sealed class SpeechStream
{
    /// <summary>Samples from one pass to the next.</summary>
    public const int PassSamples = LogMel.SampleRate / 2;

    // Passes over less are guesses: what they agree on may be wrong.
    private const int ShortestAgreed = 2 * LogMel.SampleRate;

    // A window of so much sound loses its beginning where words are agreed on; one of so much ends at once.
    private const int LongWindow = 16 * LogMel.SampleRate, LongestWindow = 26 * LogMel.SampleRate;

    private readonly Transcriber _transcriber;
    private readonly TranscriptionOptions _options;
    private readonly Lock _turn;
    private readonly bool _isLive;
    private readonly float[] _window = new float[LongestWindow + PassSamples];
    private HearingState? _hearing; // what of the window is encoded already
    private bool _isHearing;
    private int _count;
    private long _total;
    private int[] _agreed = []; // tokens of the window
    private int[] _heard = []; // tokens of the last pass, which begin with the agreed ones
    private string _committed = ""; // text of sound that was dropped
    private bool _isPassed = true; // the last pass saw all samples

    internal SpeechStream(Transcriber transcriber, TranscriptionOptions options, Lock turn, bool isLive) =>
        (_transcriber, _options, _turn, _isLive) = (transcriber, options, turn, isLive);

    /// <summary>Passes left out because the samples came faster than they could be heard; only of a live stream.</summary>
    public int SkippedPasses { get; private set; }

    /// <summary>Text that is not going to change.</summary>
    public string Agreed => Join(_committed, _transcriber.TextOf(_agreed));

    /// <summary>Takes the next samples, and makes the passes that are due.</summary>
    /// <param name="samples">At 16 kHz; of a live stream all that have come.</param>
    /// <param name="take">Receives what is known after each pass; null: nobody.</param>
    /// <exception cref="EdgeLlm.Models.NotFiniteException">An activation is infinite or not a number: the model is damaged.</exception>
    public void Add(ReadOnlySpan<float> samples, Action<StreamUpdate>? take = null, CancellationToken cancellationToken = default)
    {
        while (!samples.IsEmpty)
        {
            int part = (int)Math.Min(samples.Length, PassSamples - _total % PassSamples);
            for (int i = 0; i < part; i++) _window[_count + i] = float.IsFinite(samples[i]) ? samples[i] : 0;
            samples = samples[part..];
            (_count, _total, _isPassed) = (_count + part, _total + part, false);
            if (_total % PassSamples != 0) return;
            if (_isLive && samples.Length >= PassSamples && _count < LongestWindow)
            {
                SkippedPasses++;
                continue;
            }
            Pass(cancellationToken);
            take?.Invoke(new StreamUpdate(Agreed, TentativeText(), _total / (double)LogMel.SampleRate));
        }
    }

    /// <summary>Ends the speech: all that was said. A new one can follow.</summary>
    public string Finish(CancellationToken cancellationToken = default)
    {
        // Where the last pass saw everything, it is the last.
        if (!_isPassed) lock (_turn)
            _heard = _transcriber.Hear(_window.AsMemory(0, _count), _agreed, _options, Hearing(), cancellationToken);
        string text = Join(_committed, _transcriber.TextOf(_heard));
        _hearing?.Clear();
        (_count, _total, _agreed, _heard, _committed, _isPassed) = (0, 0, [], [], "", true);
        return text;
    }

    private void Pass(CancellationToken cancellation)
    {
        lock (_turn)
        {
            int[] heard = _transcriber.Hear(_window.AsMemory(0, _count), _agreed, _options, Hearing(), cancellation);
            int same = _count - PassSamples < ShortestAgreed ? 0
                : _transcriber.WholeWords(heard, heard.AsSpan().CommonPrefixLength(_heard));
            if (same > _agreed.Length) same = Math.Min(same, _transcriber.SpokenTokens(_count, heard, _options));
            if (same > _agreed.Length) _agreed = heard[..same];
            (_heard, _isPassed) = (heard, true);
            if (_count >= LongestWindow) Drop(_count, _heard.Length);
            else if (_count >= LongWindow && _transcriber.Settled(_count, _agreed, _options) is { Samples: > 0 } settled)
                Drop(settled.Samples, settled.Tokens);
        }
    }

    private HearingState? Hearing()
    {
        if (!_isHearing) (_hearing, _isHearing) = (_transcriber.BeginHearing(_window.Length), true);
        return _hearing;
    }

    /// <summary>The window's beginning goes, and the text of its tokens is settled.</summary>
    private void Drop(int samples, int tokens)
    {
        _committed = Join(_committed, _transcriber.TextOf(_heard[..tokens]));
        _window.AsSpan(samples, _count - samples).CopyTo(_window);
        _hearing?.Clear();
        _count -= samples;
        _heard = _heard[tokens..];
        _agreed = _agreed.Length > tokens ? _agreed[tokens..] : [];
        _isPassed &= _count == 0; // the rest is heard anew
    }

    private string TentativeText()
    {
        string all = Join(_committed, _transcriber.TextOf(_heard)), agreed = Agreed;
        return all.StartsWith(agreed, StringComparison.Ordinal) ? all[agreed.Length..] : "";
    }

    private static string Join(string first, string second) =>
        first.Length == 0 || second.Length == 0 || char.IsPunctuation(second[0]) ? first + second : first + " " + second;
}
