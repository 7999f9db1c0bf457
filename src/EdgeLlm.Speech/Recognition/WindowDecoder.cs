using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Sampling;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Speech.Recognition;

/// <summary>Result of decoding a window.</summary>
/// <param name="Tokens">Text and timestamps, without prompt and end.</param>
/// <param name="LogProbabilities">Of each token, and of the end where it came.</param>
internal sealed record DecodedWindow(int[] Tokens, float[] LogProbabilities)
{
    public string Text { get; init; } = "";

    public double NoSpeechProbability { get; init; }

    public double Temperature { get; init; }

    public double CompressionRatio { get; init; } = 1;

    /// <summary>Mean logarithm of the probabilities.</summary>
    public double MeanLogProbability { get; init; }

    /// <summary>Tokens that were given, at the beginning; they have no probabilities.</summary>
    public int Given { get; init; }

    /// <summary>Whether the text came to its end.</summary>
    public bool IsEnded => LogProbabilities.Length > Tokens.Length - Given;
}

/// <summary>
/// From an encoded window to tokens: the likeliest each time, beams, or chance; again at higher temperatures where the text looks wrong.
/// </summary>
internal sealed class WindowDecoder(WhisperModel model) : IDisposable
{
    private const int SampledTexts = 5;
    private const double HighestTemperature = 1;

    private readonly List<HeadCaches> _caches = [];
    private readonly WhisperTokens _tokens = model.Tokens;
    private int[] _given = [];
    private int _mostTokens;

    /// <summary>A cache that is free between two windows.</summary>
    public HeadCaches Scratch => Cache(0);

    /// <summary>Decodes the window that the model has encoded.</summary>
    /// <param name="prompt">Tokens up to the one after which text comes.</param>
    /// <param name="start">Index in the prompt of the token that starts the transcript.</param>
    /// <param name="given">What the text begins with.</param>
    /// <param name="mostTokens">Where a text is cut off.</param>
    public DecodedWindow Decode(int[] prompt, int start, TokenRules rules, TranscriptionOptions options, int[] given, int mostTokens,
        CancellationToken cancellation)
    {
        // Half of the positions at most, as the reference has it.
        _given = given;
        _mostTokens = Math.Min(mostTokens, Math.Min(model.Config.DecoderPositions / 2, model.Config.DecoderPositions - prompt.Length));
        if (given.Length >= _mostTokens) return Judge(new DecodedWindow(given, []) { Given = given.Length });
        for (double temperature = options.Temperature; ; temperature += options.TemperatureStep)
        {
            DecodedWindow result = options.Beams > 1 && temperature == 0
                ? DecodeBeams(prompt, start, rules, options.Beams, cancellation)
                : DecodeTexts(prompt, start, rules, temperature, options.Seed, cancellation);
            result = Judge(result) with { Temperature = temperature };
            bool isSilent = result.NoSpeechProbability > options.NoSpeechProbability
                && result.MeanLogProbability < options.LeastLogProbability;
            bool looksWrong = result.CompressionRatio > options.MostCompression || result.MeanLogProbability < options.LeastLogProbability;
            if (isSilent || !looksWrong || options.TemperatureStep == 0
                || temperature + options.TemperatureStep > HighestTemperature + 1e-9)
                return result;
        }
    }

    /// <summary>The language whose token is likeliest after the start, and its probability among the languages.</summary>
    public (string Language, double Probability) DetectLanguage()
    {
        HeadCaches cache = Cache(0);
        cache.Length = 0;
        Span<float> logits = model.Decode([_tokens.Start], [cache], 1);
        float[] ofLanguages = [.. Gather(logits, _tokens.Languages.Values)];
        int best = Softmax.IndexOfLargest(ofLanguages);
        return (_tokens.Languages.Keys.ElementAt(best), Polynomials.Exp(ofLanguages[best] - Softmax.LogSum(ofLanguages)));
    }

    public void Dispose()
    {
        foreach (HeadCaches cache in _caches) cache.Dispose();
    }

    private static List<float> Gather(Span<float> logits, IEnumerable<int> ids)
    {
        var gathered = new List<float>();
        foreach (int id in ids) gathered.Add(logits[id]);
        return gathered;
    }

    /// <summary>One text at temperature 0, the likeliest of several by chance above it.</summary>
    private DecodedWindow DecodeTexts(int[] prompt, int start, TokenRules rules, double temperature, ulong seed,
        CancellationToken cancellation)
    {
        int count = temperature == 0 ? 1 : SampledTexts, vocabulary = model.Config.Vocabulary;
        double noSpeech = Begin(prompt, start, count, out float[] logits);
        var texts = Enumerable.Range(0, count)
            .Select(i => new Text(Cache(i), new Xoshiro256(seed * SampledTexts + (ulong)i), _given, rules.Form)).ToList();
        List<Text> active = [.. texts];
        for (int length = _given.Length; active.Count > 0; length++)
        {
            cancellation.ThrowIfCancellationRequested();
            for (int i = 0; i < active.Count; i++)
            {
                Span<float> row = logits.AsSpan(i * vocabulary, vocabulary);
                rules.Apply(row, active[i].Tokens.ToArray());
                active[i].Add(row, temperature, _tokens.End);
            }
            active.RemoveAll(text => text.Last == _tokens.End);
            if (active.Count == 0 || length + 1 >= _mostTokens) break;
            model.Decode([.. active.Select(text => text.Last)], [.. active.Select(text => text.Cache)], active.Count).CopyTo(logits);
        }
        Text best = texts.MaxBy(text => Mean(text.LogProbabilities))!;
        return best.Decoded(_tokens.End) with { NoSpeechProbability = noSpeech };
    }

    /// <summary>
    /// Beam search as transformers has it: twice as many continuations as beams are looked at; texts that end among the first beams are
    /// kept by their mean logarithm, and the search ends when no running text can become better than the kept ones.
    /// </summary>
    private DecodedWindow DecodeBeams(int[] prompt, int start, TokenRules rules, int beams, CancellationToken cancellation)
    {
        int vocabulary = model.Config.Vocabulary;
        double noSpeech = Begin(prompt, start, 1, out float[] first);
        float[] logits = new float[beams * vocabulary];
        first.AsSpan(0, vocabulary).CopyTo(logits);
        var running = new List<Text> { new(Cache(0), null, _given, rules.Form) };
        var ended = new List<(double Score, Text Text)>();
        for (int length = 1; ; length++)
        {
            cancellation.ThrowIfCancellationRequested();
            var candidates = new List<(double Score, int Beam, int Token, float LogProbability)>();
            for (int beam = 0; beam < running.Count; beam++)
            {
                Span<float> row = logits.AsSpan(beam * vocabulary, vocabulary);
                double total = Softmax.LogSum(row);
                rules.Apply(row, running[beam].Tokens.ToArray());
                running[beam].ApplyForm(row);
                foreach (int token in Best(row, 2 * beams))
                {
                    if (!float.IsNegativeInfinity(row[token]))
                        candidates.Add((running[beam].Score + (row[token] - total), beam, token, (float)(row[token] - total)));
                }
            }
            candidates = [.. candidates.OrderByDescending(candidate => candidate.Score).Take(2 * beams)];
            foreach ((double score, int beam, int token, float logProbability) in candidates.Take(beams)
                .Where(candidate => candidate.Token == _tokens.End))
                ended.Add((score / length, running[beam].With(token, logProbability, score, running[beam].Cache)));
            ended = [.. ended.OrderByDescending(text => text.Score).Take(beams)];

            (double Score, int Beam, int Token, float LogProbability)[] going =
                [.. candidates.Where(candidate => candidate.Token != _tokens.End).Take(beams)];
            if (going.Length == 0 || _given.Length + length >= _mostTokens
                || ended.Count == beams && going[0].Score / length <= ended[^1].Score)
            {
                if (ended.Count == 0) return running[0].Decoded(_tokens.End) with { NoSpeechProbability = noSpeech };
                return ended[0].Text.Decoded(_tokens.End) with { NoSpeechProbability = noSpeech };
            }
            running = Continue(running, going, beams);
            model.Decode([.. running.Select(text => text.Last)], [.. running.Select(text => text.Cache)], running.Count).CopyTo(logits);
        }
    }

    /// <summary>The next texts, each in a cache of its own: a cache passes on to its first continuation, the others get copies.</summary>
    private List<Text> Continue(List<Text> running, (double Score, int Beam, int Token, float LogProbability)[] going, int beams)
    {
        HashSet<HeadCaches> free = [.. Enumerable.Range(0, 2 * beams).Select(Cache)], taken = [];
        foreach (Text text in running) free.Remove(text.Cache);
        var next = new List<Text>();
        foreach ((double score, int beam, int token, float logProbability) in going)
        {
            HeadCaches cache = running[beam].Cache;
            if (!taken.Add(cache))
            {
                HeadCaches copy = free.First();
                free.Remove(copy);
                copy.CopyFrom(cache);
                cache = copy;
            }
            next.Add(running[beam].With(token, logProbability, score, cache));
        }
        return next;
    }

    /// <summary>The indices of the largest.</summary>
    private static List<int> Best(ReadOnlySpan<float> row, int count)
    {
        var best = new List<int>(count + 1);
        float least = float.NegativeInfinity;
        for (int i = 0; i < row.Length; i++)
        {
            if (!(row[i] > least) && best.Count == count) continue;
            int at = best.Count;
            while (at > 0 && row[best[at - 1]] < row[i]) at--;
            best.Insert(at, i);
            if (best.Count > count) best.RemoveAt(count);
            if (best.Count == count) least = row[best[^1]];
        }
        return best;
    }

    /// <summary>Runs the prompt; its logits are there for each of a given number of texts.</summary>
    /// <returns>The probability that the window has no speech.</returns>
    private double Begin(int[] prompt, int start, int texts, out float[] logits)
    {
        int vocabulary = model.Config.Vocabulary;
        HeadCaches cache = Cache(0);
        cache.Length = 0;
        if (start > 0) model.Decode(prompt.AsSpan(0, start), [cache], 0);
        int[] rest = [.. prompt.AsSpan(start), .. _given];
        bool isShort = rest.Length <= TokenDecoder.MostLogits;
        Span<float> all = isShort ? model.Decode(rest, [cache], rest.Length) : model.Decode(rest.AsSpan(0, 1), [cache], 1);
        Span<float> atStart = all[..vocabulary];
        double noSpeech = Polynomials.Exp(atStart[_tokens.NoSpeech] - Softmax.LogSum(atStart));
        if (!isShort) all = model.Decode(rest.AsSpan(1), [cache], 1);
        logits = new float[texts * vocabulary];
        for (int i = 0; i < texts; i++)
        {
            all[^vocabulary..].CopyTo(logits.AsSpan(i * vocabulary));
            if (i > 0) Cache(i).CopyFrom(cache);
        }
        return noSpeech;
    }

    private HeadCaches Cache(int index)
    {
        while (_caches.Count <= index) _caches.Add(model.NewCache());
        return _caches[index];
    }

    private DecodedWindow Judge(DecodedWindow window)
    {
        string text = model.Tokenizer.Decode([.. window.Tokens.Where(token => token < _tokens.End)]).Trim();
        return window with
        {
            Text = text,
            CompressionRatio = CompressionRatio.Of(text),
            MeanLogProbability = Mean(window.LogProbabilities),
        };
    }

    public static double Mean(IReadOnlyList<float> numbers)
    {
        double sum = 0;
        for (int i = 0; i < numbers.Count; i++) sum += numbers[i];
        return numbers.Count == 0 ? 0 : sum / numbers.Count;
    }

    /// <summary>A text that is being decoded.</summary>
    private sealed class Text(HeadCaches cache, Xoshiro256? random, int[] given, TextForm? form)
    {
        private TokenConstraint? _constraint; // made when first needed: each beam has its own

        private int[] Given { get; } = given;

        public HeadCaches Cache { get; } = cache;

        public List<int> Tokens { get; private init; } = [.. given];

        public List<float> LogProbabilities { get; private init; } = [];

        /// <summary>Sum of the logarithms.</summary>
        public double Score { get; private init; }

        public int Last => Tokens[^1];

        /// <summary>Forbids the tokens that the text's form does not have next.</summary>
        public void ApplyForm(Span<float> logits)
        {
            if (form is null) return;
            _constraint ??= form.Begin(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(Tokens));
            form.Apply(_constraint, logits);
        }

        /// <summary>
        /// Takes the likeliest token, or one by chance. Its probability is that among all tokens, also those that a form does not have: it
        /// says how sure the text is.
        /// </summary>
        public void Add(Span<float> logits, double temperature, int end)
        {
            double total = Softmax.LogSum(logits);
            ApplyForm(logits);
            int token = temperature == 0 ? Softmax.IndexOfLargest(logits) : Draw(logits, temperature);
            Tokens.Add(token);
            LogProbabilities.Add((float)(logits[token] - total));
            if (token != end) _constraint?.Accept(token);
        }

        public Text With(int token, float logProbability, double score, HeadCaches cache) =>
            new(cache, random, Given, form)
            {
                Tokens = [.. Tokens, token],
                LogProbabilities = [.. LogProbabilities, logProbability],
                Score = score
            };

        public DecodedWindow Decoded(int end) =>
            new([.. Tokens.TakeWhile(token => token != end)], [.. LogProbabilities]) { Given = Given.Length };

        private int Draw(ReadOnlySpan<float> logits, double temperature)
        {
            float largest = Softmax.Largest(logits);
            double[] sums = new double[logits.Length];
            double sum = 0;
            for (int i = 0; i < logits.Length; i++)
                sums[i] = sum += float.IsNegativeInfinity(logits[i]) ? 0 : Polynomials.Exp((logits[i] - (double)largest) / temperature);
            double at = random!.NextDouble() * sum;
            int drawn = Array.FindIndex(sums, total => total > at);
            return drawn < 0 ? Softmax.IndexOfLargest(logits) : drawn;
        }
    }
}
