using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Detection;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Cli.Transcription;

/// <summary>
/// Hears utterances one after the other: a detector says where they begin and end, a recognizer hears each while it is spoken.
/// </summary>
/// <param name="isLive">Sound comes in real time: passes that there is no time for are left out.</param>
/// <param name="silenceMilliseconds">Silence that ends an utterance.</param>
internal sealed class ListenRun(SpeechDetector detector, SpeechRecognizer recognizer, TranscriptionOptions options, bool isLive,
    int silenceMilliseconds, HeardText shown)
{
    // Half a second before speech is found belongs to it: a detector needs some of the first sound.
    private const int LeadMilliseconds = 500, Rate = AudioReader.SpeechRate;

    // Sound shorter than this is a knock, not a word.
    private const int LeastSpeechMilliseconds = 150;

    private readonly SegmentOptions segments =
        new() { LeastSilenceMilliseconds = silenceMilliseconds, LeastSpeechMilliseconds = LeastSpeechMilliseconds };
    private readonly Queue<float> lead = new();
    private readonly List<float> pending = []; // less than a window
    private readonly List<float> spoken = []; // of the utterance, not given to the stream yet
    private SpeechStream? stream;
    private long position, begun, loudest; // samples; where speech began; its last window of speech

    /// <summary>Hears until the sound ends.</summary>
    public void Run(AudioReader audio, CancellationToken cancellation)
    {
        var segmenter = new SpeechSegmenter(Rate, detector.WindowSamples, segments);
        float[] window = new float[detector.WindowSamples];
        foreach (float[] samples in isLive ? SoundPieces.Arriving(audio, cancellation) : SoundPieces.Of(audio))
        {
            pending.AddRange(samples);
            int at = 0;
            for (; at + window.Length <= pending.Count; at += window.Length)
            {
                cancellation.ThrowIfCancellationRequested();
                pending.CopyTo(at, window, 0, window.Length);
                Hear(window, segmenter, cancellation);
            }
            pending.RemoveRange(0, at);
            Flush(cancellation);
        }
        stream?.Add(pending.ToArray(), null, cancellation);
        if (stream is not null) End(cancellation);
        shown.End();
    }

    /// <summary>Decibels of full scale.</summary>
    private static double LevelOf(ReadOnlySpan<float> samples)
    {
        double sum = 0;
        foreach (float sample in samples) sum += (double)sample * sample;
        return Math.Max(-99, 10 / Polynomials.Log(10) * Polynomials.Log(sum / samples.Length + 1e-10));
    }

    private void Hear(ReadOnlySpan<float> window, SpeechSegmenter segmenter, CancellationToken cancellation)
    {
        float probability = detector.Next(window);
        segmenter.Add(probability);
        while (segmenter.TryTake(out _))
        {
            // Only whether somebody speaks is asked for.
        }
        position += window.Length;
        shown.Level(LevelOf(window), segmenter.IsSpeaking, position / (double)Rate);
        if (stream is null)
        {
            foreach (float sample in window) lead.Enqueue(sample);
            while (lead.Count > Rate * LeadMilliseconds / 1000) lead.Dequeue();
            if (!segmenter.IsSpeaking) return;
            stream = recognizer.StartStream(options, isLive);
            begun = position - lead.Count;
            spoken.AddRange(lead);
            lead.Clear();
            shown.Begin(begun / (double)Rate);
            return;
        }
        foreach (float sample in window) spoken.Add(sample);
        if (probability >= segments.Threshold) loudest = position;
        if (segmenter.IsSpeaking) return;
        Flush(cancellation);
        End(cancellation);
    }

    private void Flush(CancellationToken cancellation)
    {
        if (stream is null || spoken.Count == 0) return;
        stream.Add(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(spoken), shown.Update, cancellation);
        spoken.Clear();
    }

    private void End(CancellationToken cancellation)
    {
        string text = stream!.Finish(cancellation);
        if (Math.Max(loudest, begun) - begun >= Rate * LeastSpeechMilliseconds / 1000 || text.Length > 0)
            shown.Finish(text, begun / (double)Rate, position / (double)Rate);
        stream = null;
    }
}
