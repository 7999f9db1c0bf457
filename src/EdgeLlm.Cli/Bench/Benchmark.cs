using System.Diagnostics;
using EdgeLlm.Cli.Machine;
using EdgeLlm.Files;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Sampling;

namespace EdgeLlm.Cli.Bench;

/// <summary>
/// Measures as llama-bench does: a round processes a prompt, or decodes tokens one by one, after the same depth of context; one round
/// first that does not count; the median of the others.
/// </summary>
internal sealed class Benchmark : IDisposable
{
    /// <summary>Prompt of 13 words, as in llamacpp-bench's first-token test.</summary>
    private const string FirstPrompt = "one two three four five six seven eight nine ten eleven twelve thirteen";

    private readonly BenchOptions _options;
    private readonly CancellationToken _cancellation;
    private readonly ProcessMemory _memory = new(SystemFiles.OfThisMachine);
    private readonly LanguageModel _model;
    private readonly KvCache _cache;
    private readonly Sampler _greedy;
    private readonly double _firstToken;

    public Benchmark(string path, ModelOptions modelOptions, BenchOptions options, CancellationToken cancellation)
    {
        (_options, _cancellation) = (options, cancellation);
        long start = Stopwatch.GetTimestamp();
        _model = LanguageModel.Load(path,
            modelOptions with { ContextLength = options.ContextLength, Contexts = options.Parallel.Append(0).Max() + 1 });
        _cache = _model.CreateCache();
        int[] prompt = _model.Tokenizer.Encode(FirstPrompt, addSpecial: true);
        _greedy = new Sampler(SamplingOptions.Greedy, _model.Info.VocabularySize);
        _greedy.Sample(_model.Forward(prompt.AsSpan(0, Math.Min(prompt.Length, _cache.Capacity)), _cache, cancellation));
        _firstToken = Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Measures with adapters or control vectors: what decodes alone has them, not what decodes together.</summary>
    public void Adapt(Func<LanguageModel, Adaptation?> adapt) => _cache.Adaptation = adapt(_model);

    /// <param name="progress">Is told what is measured.</param>
    public BenchResult Run(Action<string> progress)
    {
        int[] tokens = FixedTokens(_options.Depth + _options.Prompt);
        ReadOnlyMemory<int> prompt = tokens.AsMemory(_options.Depth);
        _cache.Truncate(0);
        if (_options.Depth > 0)
        {
            progress($"fills the context with {_options.Depth} tokens");
            GoTo(_options.Depth);
        }
        double? promptRate = Median(_options.Prompt, progress, "prompt", () => _model.Forward(prompt.Span, _cache, _cancellation));
        double? decodeRate = Median(_options.Decode, progress, "decode", Decode);
        _memory.Sample();
        IReadOnlyList<OperationTime> profile = _options.Profile ? Profile(prompt, progress) : [];
        IReadOnlyList<ParallelRate> together = [];
        if (_options.Parallel.Count > 0)
        {
            using var parallel = new ParallelBenchmark(_model, _options, _cancellation);
            together = parallel.Run(prompt, tokens.AsMemory(0, _options.Depth), progress);
        }
        progress("measures the machine");
        (double bandwidth, double multiplyAdds) = _model.MeasureRoofline();
        return new BenchResult
        {
            ReadBandwidth = bandwidth,
            PeakMultiplyAdds = multiplyAdds,
            BytesPerToken = Enum.GetValues<Operation>().Sum(operation => _model.Cost(operation).Bytes) + _model.CacheBytes(_options.Depth),
            MultiplyAddsPerToken = Enum.GetValues<Operation>().Where(operation => operation != Operation.Head).Sum(operation =>
                _model.Cost(operation).MultiplyAdds),
            Parallel = together,
            Profile = profile,
            Model = _model.Name,
            Path = _model.Path,
            Kernel = _model.KernelName,
            Threads = _model.Threads,
            DecodeThreads = _model.DecodeThreads,
            ContextLength = _model.ContextLength,
            PromptRate = promptRate,
            DecodeRate = decodeRate,
            FirstToken = _firstToken,
            PeakResident = _memory.PeakResident,
            PeakAnonymous = _memory.PeakAnonymous,
        };
    }

    public void Dispose()
    {
        _cache.Dispose();
        _model.Dispose();
    }

    /// <summary>Fills the context, or cuts it, to this depth.</summary>
    private void GoTo(int depth)
    {
        int kept = _cache.Truncate(depth);
        if (kept == depth) return;
        _model.Forward(FixedTokens(depth).AsSpan(kept), _cache, _cancellation);
        _cache.Checkpoint();
    }

    /// <summary>Tokens a second; null where there is nothing to measure.</summary>
    private double? Median(int tokens, Action<string> progress, string what, Action measured)
    {
        if (tokens == 0) return null;
        var rates = new double[_options.Rounds];
        for (int round = -1; round < rates.Length; round++)
        {
            progress(round < 0 ? $"{what}: warms up" : $"{what}: round {round + 1} of {rates.Length}");
            GoTo(_options.Depth);
            long start = Stopwatch.GetTimestamp();
            measured();
            if (round >= 0) rates[round] = tokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
            _memory.Sample();
        }
        Array.Sort(rates);
        return (rates[(rates.Length - 1) / 2] + rates[rates.Length / 2]) / 2;
    }

    /// <summary>Each operation's share of a prompt and of decoding.</summary>
    private List<OperationTime> Profile(ReadOnlyMemory<int> prompt, Action<string> progress)
    {
        progress("profile");
        OperationProfile promptProfile = new(), decodeProfile = new();
        if (!prompt.IsEmpty)
        {
            GoTo(_options.Depth);
            _model.Profile = promptProfile;
            _model.Forward(prompt.Span, _cache, _cancellation);
        }
        if (_options.Decode > 0)
        {
            GoTo(_options.Depth);
            _model.Profile = decodeProfile;
            Decode();
        }
        _model.Profile = null;
        return [.. Enum.GetValues<Operation>().Select(operation =>
        {
            (long bytes, long multiplyAdds) = _model.Cost(operation);
            return new OperationTime(
                operation, promptProfile.Seconds(operation) / Math.Max(1, _options.Prompt),
                decodeProfile.Seconds(operation) / Math.Max(1, _options.Decode), bytes, multiplyAdds);
        })];
    }

    private void Decode()
    {
        int[] token = FixedTokens(1);
        for (int count = 0; count < _options.Decode; count++) token[0] = _greedy.Sample(_model.Forward(token, _cache, _cancellation));
    }

    /// <summary>
    /// Fixed tokens, equal in every run; a linear congruence (Numerical Recipes' constants) spreads them over the vocabulary.
    /// </summary>
    private int[] FixedTokens(int count)
    {
        var tokens = new int[count];
        uint state = 1;
        foreach (ref int token in tokens.AsSpan())
        {
            state = unchecked(state * 1664525 + 1013904223);
            token = (int)((ulong)state * (ulong)_model.Info.VocabularySize >> 32);
        }
        return tokens;
    }
}
