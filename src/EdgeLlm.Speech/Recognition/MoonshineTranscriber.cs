using EdgeLlm.Gguf;
using EdgeLlm.Sampling.Constraints;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Speech.Recognition;

/// <summary>
/// A recording to text with Moonshine, which takes an utterance as it is: long recordings are cut where they are quietest.
/// </summary>
internal sealed class MoonshineTranscriber(MoonshineModel model) : Transcriber
{
    private const int WindowSeconds = 30, QuietSeconds = 10;

    // The reference's limit: more tokens a second are a loop.
    private const double TokensPerSecond = 6.5;

    private readonly HeadCaches _cache = model.NewCache();

    public override GgufMetadata Metadata => model.Metadata;

    public override Tokenizer Tokenizer => model.Tokenizer;

    public override string Path => model.Path;

    public override IReadOnlyList<string> Languages => ["en"];

    public override bool CanTranslate => false;

    public override Transcript Transcribe(ReadSamples read, TranscriptionOptions options, Action<TranscriptSegment>? take,
        IProgress<double>? progress, CancellationToken cancellation)
    {
        if (options.Translate) throw new ArgumentException($"the model {Name} does not translate");
        if (options.WordTimestamps) throw new ArgumentException($"the model {Name} gives no times of words");
        if (options.Beams > 1) throw new ArgumentException($"the model {Name} follows one text, not {options.Beams}");
        var window = new SampleWindow(read);
        var segments = new List<TranscriptSegment>();
        int most = Math.Min(WindowSeconds * LogMel.SampleRate, model.MostSamples);
        for (long seek = 0; ;)
        {
            int count = window.Fill(seek, most + 1);
            if (count < Math.Max(model.LeastSamples, LogMel.SampleRate / 10)) break;
            if (count > most) count = QuietestCut(window.Samples.Span.Slice(window.IndexOf(seek), most));
            (int[] tokens, float[] logProbabilities) =
                Decode(window.Samples.Span.Slice(window.IndexOf(seek), count), [], options, null, cancellation);
            string text = model.Tokenizer.Decode(tokens).Trim();
            if (text.Length > 0)
            {
                var segment = new TranscriptSegment(seek / (double)LogMel.SampleRate, (seek + count) / (double)LogMel.SampleRate, text)
                {
                    Tokens = tokens,
                    LogProbabilities = logProbabilities,
                    CompressionRatio = CompressionRatio.Of(text),
                    MeanLogProbability = WindowDecoder.Mean(logProbabilities),
                    WindowStart = seek,
                };
                segments.Add(segment);
                take?.Invoke(segment);
            }
            seek += count;
            progress?.Report(seek / (double)LogMel.SampleRate);
        }
        while (!window.IsAtEnd) window.Fill(window.Read, LogMel.SampleRate);
        return new Transcript(string.Join(' ', segments.Select(segment => segment.Text)), options.Language ?? "en",
            window.Read / (double)LogMel.SampleRate, segments);
    }

    /// <summary>The likeliest tokens of an utterance, without the ones that begin and end it.</summary>
    /// <param name="given">What the text begins with.</param>
    /// <param name="stream">What is encoded of the samples already; null: nothing.</param>
    private (int[] Tokens, float[] LogProbabilities) Decode(ReadOnlySpan<float> samples, int[] given, TranscriptionOptions options,
        MoonshineStream? stream, CancellationToken cancellation)
    {
        if (stream is null) model.Encode(samples, cancellation);
        else model.EncodeNext(samples, stream, cancellation);
        TextForm? form = options.Form is { } wanted ? new TextForm(wanted, model.Tokenizer, model.End) : null;
        TokenConstraint? constraint = form?.Begin(given);
        int most = form is not null ? _cache.Positions - 1
            : Math.Min(_cache.Positions - 1, given.Length + (int)Math.Ceiling(samples.Length * TokensPerSecond / LogMel.SampleRate) + 1);
        _cache.Length = 0;
        List<int> tokens = [.. given];
        var logProbabilities = new List<float>();
        IReadOnlyList<int[]> hotwords = TokenRules.HotwordTokens(model.Tokenizer, options.Hotwords);
        Span<float> logits = model.Decode([model.Start, .. given], [_cache], 1);
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            TokenRules.Favour(logits, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(tokens), hotwords, options.HotwordBonus);
            double total = Softmax.LogSum(logits);
            if (form is not null) form.Apply(constraint!, logits);
            int next = Softmax.IndexOfLargest(logits);
            logProbabilities.Add((float)(logits[next] - total));
            if (next == model.End || tokens.Count >= most) return ([.. tokens], [.. logProbabilities]);
            tokens.Add(next);
            constraint?.Accept(next);
            logits = model.Decode([next], [_cache], 1);
        }
    }

    public override HearingState? BeginHearing(int mostSamples) => model.BeginStream(mostSamples);

    public override int[] Hear(ReadOnlyMemory<float> window, int[] agreed, TranscriptionOptions options, HearingState? heard,
        CancellationToken cancellation) =>
        window.Length < Math.Max(model.LeastSamples, LogMel.SampleRate / 10) ? agreed
            : Decode(window.Span, agreed, options, heard as MoonshineStream, cancellation).Tokens;

    public override string TextOf(ReadOnlySpan<int> tokens) => model.Tokenizer.Decode(tokens).Trim();

    /// <summary>All: the model doesn't say when words were said.</summary>
    public override int SpokenTokens(int samples, int[] heard, TranscriptionOptions options) => heard.Length;

    /// <summary>Nothing: the model doesn't say when words were said.</summary>
    public override (int Samples, int Tokens) Settled(int samples, int[] agreed, TranscriptionOptions options) => default;

    public override void Dispose()
    {
        _cache.Dispose();
        model.Dispose();
    }

    /// <summary>The middle of the quietest tenth of a second in the window's last third.</summary>
    private static int QuietestCut(ReadOnlySpan<float> samples)
    {
        const int Piece = LogMel.SampleRate / 10;
        int best = samples.Length;
        double least = double.PositiveInfinity;
        for (int start = Math.Max(0, samples.Length - QuietSeconds * LogMel.SampleRate); start
            + Piece <= samples.Length; start += Piece / 2)
        {
            double energy = 0;
            foreach (float sample in samples.Slice(start, Piece)) energy += (double)sample * sample;
            if (energy < least) (least, best) = (energy, start + Piece / 2);
        }
        return best;
    }
}
