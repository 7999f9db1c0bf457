using EdgeLlm.Gguf;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Speech.Recognition;

/// <summary>A recording to text with Whisper: window after window, each from where the one before it ended.</summary>
internal sealed class WhisperTranscriber : Transcriber
{
    private const int SamplesPerPosition = 2 * LogMel.Hop;
    private const double SecondsPerPosition = (double)SamplesPerPosition / LogMel.SampleRate;

    // Positions after the last sound of a shortened window, and what windows are rounded up to. Half of them follow the sound, the others
    // stand at the end of the 30 s that the model was trained with: without silence there it says what it heard over and over.
    private const int MarginPositions = 96, EndPositions = 48;
    private const int PositionStep = 32;

    // More tokens than anybody says are a loop.
    private const int MostTokens = 448, TokensAtLeast = 16, TokensPerSecond = 12;

    private readonly WhisperModel _model;
    private readonly LogMel _logMel;
    private readonly WindowDecoder _decoder;
    private readonly WordAligner _aligner;
    private readonly float[] _mel;
    private string _language = "en"; // of the last pass of a stream

    public WhisperTranscriber(WhisperModel model)
    {
        _model = model;
        _logMel = new LogMel(model.Config.Bands, model.Compute.Pool);
        _decoder = new WindowDecoder(model);
        _aligner = new WordAligner(model, _decoder.Scratch);
        _mel = new float[model.Config.Bands * 2 * model.Config.EncoderPositions];
    }

    /// <summary>Samples of a whole window: 30 s.</summary>
    public int WindowSamples => _model.Config.EncoderPositions * SamplesPerPosition;

    public override GgufMetadata Metadata => _model.Metadata;

    public override Tokenizer Tokenizer => _model.Tokenizer;

    public override string Path => _model.Path;

    public override IReadOnlyList<string> Languages => _model.Tokens.IsMultilingual ? [.. _model.Tokens.Languages.Keys] : ["en"];

    public override bool CanTranslate => _model.Tokens.IsMultilingual;

    public override Transcript Transcribe(ReadSamples read, TranscriptionOptions options, Action<TranscriptSegment>? take,
        IProgress<double>? progress, CancellationToken cancellation)
    {
        var window = new SampleWindow(read);
        var segments = new List<TranscriptSegment>();
        var text = new System.Text.StringBuilder();
        string? language = options.Language;
        bool? timestamps = options.Timestamps;
        IReadOnlyList<int[]> hotwords = TokenRules.HotwordTokens(_model.Tokenizer, options.Hotwords);
        for (long seek = 0; ;)
        {
            int count = Math.Min(window.Fill(seek, WindowSamples + LogMel.SampleRate), WindowSamples);
            if (count == 0 || seek > 0 && count < options.ShortestWindow * LogMel.SampleRate) break;
            timestamps ??= window.Read > WindowSamples && options.Form is null;
            DecodedWindow decoded =
                Hear(window.Samples, window.IndexOf(seek), count, timestamps.Value, [], hotwords, options, ref language, cancellation);
            bool isSilent = decoded.NoSpeechProbability > options.NoSpeechProbability
                && decoded.MeanLogProbability < options.LeastLogProbability;
            long next = seek + count;
            if (!isSilent)
            {
                List<TranscriptSegment> found = Cut(decoded, seek, count, ref next);
                foreach (TranscriptSegment segment in options.WordTimestamps ? WithWords(found, options, language!, seek, count) : found)
                {
                    segments.Add(segment);
                    text.Append(_model.Tokenizer.Decode([.. segment.Tokens.Where(token => token < _model.Tokens.End)]));
                    take?.Invoke(segment);
                }
            }
            seek = next;
            progress?.Report(Math.Min(seek, window.Read) / (double)LogMel.SampleRate);
        }
        while (!window.IsAtEnd) window.Fill(window.Read, LogMel.SampleRate);
        return new Transcript(text.ToString().Trim(), language ?? "en", window.Read / (double)LogMel.SampleRate, segments);
    }

    public override int[] Hear(ReadOnlyMemory<float> window, int[] agreed, TranscriptionOptions options, HearingState? heard,
        CancellationToken cancellation)
    {
        if (window.Length < LogMel.SampleRate / 10 || IsSilent(window.Span)) return agreed;
        string? language = options.Language;
        IReadOnlyList<int[]> hotwords = TokenRules.HotwordTokens(_model.Tokenizer, options.Hotwords);
        DecodedWindow decoded =
            Hear(window, 0, window.Length, false, agreed, hotwords, options with { TemperatureStep = 0 }, ref language, cancellation);
        _language = language!;
        // What stays for good has to be surer than a whole file's text.
        return LooksWrong(decoded, options) || decoded.NoSpeechProbability > options.NoSpeechProbability && agreed.Length == 0
            ? agreed : decoded.Tokens;
    }

    public override string TextOf(ReadOnlySpan<int> tokens) => _model.Tokenizer.Decode(tokens).Trim();

    /// <summary>
    /// Tokens of the words that end four tenths of a second or more before the window does; a word without time was said only where one
    /// with time follows.
    /// </summary>
    public override int SpokenTokens(int samples, int[] heard, TranscriptionOptions options)
    {
        const int Held = 2 * LogMel.SampleRate / 5;
        int tokens = 0, spoken = 0;
        foreach (AlignedWord word in _aligner.Align(StartOf(options, _language), heard,
            Math.Min(_model.Positions, samples / SamplesPerPosition), _language))
        {
            if (word.End * SamplesPerPosition > samples - Held) break;
            tokens += word.Tokens;
            if (word.End > word.Start) spoken = tokens;
        }
        return spoken;
    }

    /// <summary>The words that end a second or more before the window does, up to the last sentence's end among them.</summary>
    public override (int Samples, int Tokens) Settled(int samples, int[] agreed, TranscriptionOptions options)
    {
        List<AlignedWord> words =
            _aligner.Align(StartOf(options, _language), agreed, Math.Min(_model.Positions, samples / SamplesPerPosition), _language);
        (int Samples, int Tokens) any = default, sentence = default;
        int tokens = 0;
        foreach (AlignedWord word in words)
        {
            tokens += word.Tokens;
            if (word.End * SamplesPerPosition > samples - LogMel.SampleRate) break;
            any = (word.End * SamplesPerPosition, tokens);
            if (word.Text.TrimEnd() is [.., '.' or '?' or '!' or '。' or '？' or '！']) sentence = any;
        }
        return sentence.Tokens > 0 ? sentence : any;
    }

    /// <summary>Encodes a window, shortened to what it has, and decodes it; where that looks wrong, again with the whole window.</summary>
    private DecodedWindow Hear(ReadOnlyMemory<float> samples, int first, int count, bool timestamps, int[] given,
        IReadOnlyList<int[]> hotwords, TranscriptionOptions options, ref string? language, CancellationToken cancellation)
    {
        if (IsSilent(samples.Span.Slice(first, count))) return new DecodedWindow(given, [])
        {
            Given = given.Length,
            NoSpeechProbability = 1,
            MeanLogProbability = double.NegativeInfinity,
        };
        int positions = options.FullWindow ? _model.Config.EncoderPositions : PositionsOf(count), mostTokens = MostTokens;
        bool isShort = positions < _model.Config.EncoderPositions;
        TextForm? form = options.Form is { } wanted ? new TextForm(wanted, _model.Tokenizer, _model.Tokens.End) : null;
        if (isShort && form is null) mostTokens = TokensAtLeast + given.Length + TokensPerSecond * count / LogMel.SampleRate;
        Encode(positions);
        language ??= _model.Tokens.IsMultilingual ? _decoder.DetectLanguage().Language : "en";
        (int[] prompt, int start) = Prompt(options, language, timestamps);
        var rules = new TokenRules(_model.Config, _model.Tokens, timestamps, hotwords, options.HotwordBonus, form);
        if (form is not null) options = options with { TemperatureStep = 0 }; // chance would only find less likely texts of the form
        DecodedWindow decoded = _decoder.Decode(prompt, start, rules, isShort ? options with { TemperatureStep = 0 } : options, given,
            mostTokens, cancellation);
        if (!isShort || !LooksWrong(decoded, options) && decoded.IsEnded) return decoded;
        // With less than the window that it was trained with the model can still fall into a loop.
        Encode(_model.Config.EncoderPositions);
        return _decoder.Decode(prompt, start, rules, options, given, MostTokens, cancellation);

        void Encode(int length)
        {
            _logMel.Compute(samples[..Math.Min(samples.Length, first + count + LogMel.Reach)], first, 2 * length, _mel);
            _model.Encode(_mel, 2 * length, length < _model.Config.EncoderPositions ? EndPositions : 0, cancellation);
        }
    }

    /// <summary>Whether nothing is louder than a few steps of 16 bits: of that Whisper makes words, too.</summary>
    private static bool IsSilent(ReadOnlySpan<float> samples)
    {
        const float Quietest = 4f / 32768;
        foreach (float sample in samples)
        {
            if (Math.Abs(sample) > Quietest) return false;
        }
        return true;
    }

    private static bool LooksWrong(DecodedWindow window, TranscriptionOptions options) =>
        window.CompressionRatio > options.MostCompression || window.MeanLogProbability < options.LeastLogProbability;

    /// <summary>The segments of a window with their words.</summary>
    private List<TranscriptSegment> WithWords(List<TranscriptSegment> segments, TranscriptionOptions options,
        string language, long seek, int count)
    {
        int[] text = [.. segments.SelectMany(segment => segment.Tokens).Where(token => token < _model.Tokens.End)];
        float[] logProbabilities = [.. segments.SelectMany(segment => segment.Tokens.Zip(segment.LogProbabilities))
            .Where(pair => pair.First < _model.Tokens.End).Select(pair => pair.Second)];
        List<AlignedWord> words =
            _aligner.Align(StartOf(options, language), text, Math.Min(_model.Positions, Math.Max(1, count / SamplesPerPosition)), language);
        double origin = seek / (double)LogMel.SampleRate;
        int token = 0, next = 0, end = 0;
        var result = new List<TranscriptSegment>();
        foreach (TranscriptSegment segment in segments)
        {
            end += segment.Tokens.Count(id => id < _model.Tokens.End);
            var own = new List<TranscriptWord>();
            for (; next < words.Count && token < end; next++)
            {
                AlignedWord word = words[next];
                double probability = 0;
                for (int i = 0; i < word.Tokens; i++)
                    probability += Kernels.Scalar.Polynomials.Exp((double)logProbabilities[token + i]) / word.Tokens;
                own.Add(new TranscriptWord(origin + word.Start * SecondsPerPosition, origin + word.End * SecondsPerPosition,
                    word.Text.Trim(), probability));
                token += word.Tokens;
            }
            result.Add(segment with { Words = own });
        }
        return result;
    }

    public override void Dispose()
    {
        _decoder.Dispose();
        _model.Dispose();
    }

    /// <summary>Positions that a given number of samples and a margin take.</summary>
    private int PositionsOf(int samples)
    {
        int positions = (samples + SamplesPerPosition - 1) / SamplesPerPosition + MarginPositions;
        return Math.Min((positions + PositionStep - 1) / PositionStep * PositionStep, _model.Config.EncoderPositions);
    }

    /// <summary>Prompt before the text, and the index in it at which the transcript starts.</summary>
    private (int[] Prompt, int Start) Prompt(TranscriptionOptions options, string language, bool timestamps)
    {
        WhisperTokens tokens = _model.Tokens;
        List<int> prompt = [];
        if (options.Prompt is { } expected && expected.Trim().Length > 0)
        {
            prompt.Add(tokens.Previous);
            prompt.AddRange(_model.Tokenizer.Encode(" " + expected.Trim()).TakeLast(_model.Config.DecoderPositions / 2 - 1));
        }
        int start = prompt.Count;
        prompt.AddRange(StartOf(options, language));
        if (!timestamps) prompt.Add(tokens.NoTimestamps);
        return ([.. prompt], start);
    }

    /// <summary>The tokens that start a transcript: of a multilingual model with language and task.</summary>
    private int[] StartOf(TranscriptionOptions options, string language)
    {
        WhisperTokens tokens = _model.Tokens;
        if (tokens.IsMultilingual)
        {
            int id = tokens.Languages.TryGetValue(language, out int found) ? found
                : throw new ArgumentException($"the model {Name} does not know the language '{language}'");
            return [tokens.Start, id, options.Translate ? tokens.Translate : tokens.Transcribe];
        }
        if (options.Translate) throw new ArgumentException($"the model {Name} knows English alone and does not translate");
        return language == "en" ? [tokens.Start] : throw new ArgumentException($"the model {Name} knows English alone, not '{language}'");
    }

    /// <summary>Cuts a window's tokens at its timestamps, which come in pairs between segments.</summary>
    /// <param name="next">The sample where the next window begins.</param>
    private List<TranscriptSegment> Cut(DecodedWindow window, long seek, int count, ref long next)
    {
        WhisperTokens tokens = _model.Tokens;
        int[] ids = window.Tokens;
        var segments = new List<TranscriptSegment>();
        double origin = seek / (double)LogMel.SampleRate, length = count / (double)LogMel.SampleRate;
        List<int> cuts =
            [.. Enumerable.Range(1, Math.Max(0, ids.Length - 1)).Where(i => tokens.IsTimestamp(ids[i - 1]) && tokens.IsTimestamp(ids[i]))];
        bool endsWithOneTime = ids.Length >= 2 && tokens.IsTimestamp(ids[^1]) && !tokens.IsTimestamp(ids[^2]);
        if (cuts.Count > 0)
        {
            int from = 0;
            foreach (int to in endsWithOneTime ? [.. cuts, ids.Length] : cuts)
            {
                Add(from, to, TimeOf(ids[from]), TimeOf(ids[to - 1]));
                from = to;
            }
            // What comes after the last pair is not ended: the next window begins there.
            if (!endsWithOneTime) next = seek + Math.Max(1, (ids[from - 1] - tokens.FirstTimestamp)) * SamplesPerPosition;
            return segments;
        }
        int last = Array.FindLastIndex(ids, tokens.IsTimestamp);
        double end = last > 0 && ids[last] > tokens.FirstTimestamp ? TimeOf(ids[last]) : length;
        double start = ids.Length > 0 && tokens.IsTimestamp(ids[0]) && last > 0 ? TimeOf(ids[0]) : 0;
        Add(0, ids.Length, start, end);
        return segments;

        double TimeOf(int id) => (id - tokens.FirstTimestamp) * SecondsPerPosition;

        void Add(int from, int to, double start, double end)
        {
            string text = _model.Tokenizer.Decode([.. ids[from..to].Where(id => id < tokens.End)]).Trim();
            if (text.Length == 0) return;
            segments.Add(new TranscriptSegment(origin + start, origin + Math.Min(end, length), text)
            {
                Tokens = ids[from..to],
                LogProbabilities = window.LogProbabilities[from..to],
                Temperature = window.Temperature,
                MeanLogProbability = window.MeanLogProbability,
                CompressionRatio = window.CompressionRatio,
                NoSpeechProbability = window.NoSpeechProbability,
                WindowStart = seek,
            });
        }
    }
}
