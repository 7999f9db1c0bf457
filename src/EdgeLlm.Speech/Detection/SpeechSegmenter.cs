namespace EdgeLlm.Speech.Detection;

/// <summary>A stretch of sound in which somebody speaks.</summary>
/// <param name="Start">Its first sample.</param>
/// <param name="End">The sample after its last.</param>
internal readonly record struct SpeechSegment(long Start, long End);

/// <summary>When speech begins and ends. The defaults are those of Silero's get_speech_timestamps.</summary>
internal sealed record SegmentOptions
{
    /// <summary>Probability from which a window is speech.</summary>
    public float Threshold { get; init; } = .5f;

    /// <summary>How far below the threshold a window must be to end speech.</summary>
    public float Hysteresis { get; init; } = .15f;

    /// <summary>Shorter speech does not count.</summary>
    public int LeastSpeechMilliseconds { get; init; } = 250;

    /// <summary>Silence that ends speech: the hangover.</summary>
    public int LeastSilenceMilliseconds { get; init; } = 100;

    /// <summary>Sound before and after that belongs to speech: the pre-roll.</summary>
    public int PaddingMilliseconds { get; init; } = 30;
}

/// <summary>
/// Makes segments of the probabilities of windows, one after the other, as Silero's get_speech_timestamps does of all at once
/// (silero-vad 6.2.3, without a longest segment).
/// </summary>
internal sealed class SpeechSegmenter
{
    private readonly long leastSpeech, leastSilence, padding;
    private readonly int window;
    private readonly float threshold, end;
    private readonly Queue<SpeechSegment> ready = new();
    private long position; // samples of all windows so far
    private long start, silence; // where speech began, where the silence in it began; -1: not
    private SpeechSegment? last; // waits for the next one, which may share the gap between them

    /// <param name="sampleRate">Samples a second.</param>
    /// <param name="windowSamples">Samples of a window.</param>
    /// <param name="options">When speech begins and ends; null: the defaults.</param>
    public SpeechSegmenter(int sampleRate, int windowSamples, SegmentOptions? options = null)
    {
        options ??= new SegmentOptions();
        window = windowSamples;
        threshold = options.Threshold;
        end = Math.Max(options.Threshold - options.Hysteresis, .01f);
        leastSpeech = (long)sampleRate * options.LeastSpeechMilliseconds / 1000;
        leastSilence = (long)sampleRate * options.LeastSilenceMilliseconds / 1000;
        padding = (long)sampleRate * options.PaddingMilliseconds / 1000;
        (start, silence) = (-1, -1);
    }

    /// <summary>Whether somebody speaks now, or did up to a silence that is still too short to count.</summary>
    public bool IsSpeaking => start >= 0;

    /// <summary>The next segment that no later window changes.</summary>
    public bool TryTake(out SpeechSegment segment) => ready.TryDequeue(out segment);

    /// <summary>Takes the next window's probability.</summary>
    public void Add(float probability)
    {
        long at = position;
        position += window;
        if (probability >= threshold)
        {
            silence = -1;
            if (start < 0) start = at;
        }
        else if (probability < end && start >= 0)
        {
            if (silence < 0) silence = at;
            if (at - silence >= leastSilence) Close(silence);
        }
        // A gap that is wide enough for the padding of both sides is not shared.
        if (last is { } waiting && start < 0 && at - waiting.End >= 2 * padding) Release(waiting.End + padding);
    }

    /// <summary>Says that no more windows come.</summary>
    /// <param name="length">Samples of the whole sound: the last window may have been filled up.</param>
    public void Finish(long length)
    {
        if (start >= 0) Close(length);
        if (last is { } waiting) Release(Math.Min(length, waiting.End + padding));
    }

    private void Close(long at)
    {
        var segment = new SpeechSegment(start, at);
        (start, silence) = (-1, -1);
        if (segment.End - segment.Start <= leastSpeech) return;
        long share = padding;
        if (last is { } before)
        {
            long gap = segment.Start - before.End;
            if (gap < 2 * padding) share = gap / 2;
            Release(before.End + share);
        }
        last = segment with { Start = Math.Max(0, segment.Start - share) };
    }

    private void Release(long until)
    {
        ready.Enqueue(last!.Value with { End = until });
        last = null;
    }
}
