using System.Diagnostics;
using EdgeLlm.Models;
using EdgeLlm.Sampling;

namespace EdgeLlm.Cli.Bench;

/// <summary>Speed of answers that decode together.</summary>
/// <param name="Answers">How many.</param>
/// <param name="Rate">Tokens a second of all together.</param>
/// <param name="MultiplyAdds">Multiply-adds with weights a second, the heads of all among them.</param>
/// <param name="Gain">Tokens a second over those of one answer alone.</param>
/// <param name="ShareOfPrompt">Multiply-adds a second over those of a prompt in the same rounds; null where no prompt was measured.</param>
internal sealed record ParallelRate(int Answers, double Rate, double MultiplyAdds, double Gain, double? ShareOfPrompt);

/// <summary>
/// Measures answers that decode together: a round takes a prompt and then each number of answers in turn, so that a machine that becomes
/// slower does so for all; medians of the rounds. Each pass is followed by the choice of each answer's next token.
/// </summary>
internal sealed class ParallelBenchmark : IDisposable
{
    private readonly LanguageModel _model;
    private readonly BenchOptions _options;
    private readonly CancellationToken _cancellation;
    private readonly KvCache[] _caches;
    private readonly Sampler[] _greedy;
    private readonly int[] _tokens;

    /// <param name="model">With as many contexts as there are answers at most, and one more.</param>
    public ParallelBenchmark(LanguageModel model, BenchOptions options, CancellationToken cancellation)
    {
        (_model, _options, _cancellation) = (model, options, cancellation);
        int most = options.Parallel.Max();
        _caches = [.. Enumerable.Range(0, most).Select(_ => model.CreateCache())];
        _greedy = [.. _caches.Select(_ => new Sampler(SamplingOptions.Greedy, model.Info.VocabularySize))];
        _tokens = new int[most];
    }

    /// <param name="prompt">Tokens of the prompt that is measured with them; empty: none.</param>
    /// <param name="depth">Tokens that each context holds before.</param>
    public IReadOnlyList<ParallelRate> Run(ReadOnlyMemory<int> prompt, ReadOnlyMemory<int> depth, Action<string> progress)
    {
        long body = CostOf(operation => operation != Operation.Head), all = CostOf(_ => true);
        var rates = _options.Parallel.Prepend(1).Distinct().ToDictionary(answers => answers, _ => new double[_options.Rounds]);
        double[] prompts = new double[_options.Rounds];
        for (int round = -1; round < _options.Rounds; round++)
        {
            progress(round < 0 ? "together: warms up" : $"together: round {round + 1} of {_options.Rounds}");
            if (!prompt.IsEmpty)
            {
                Fill(1, depth.Span);
                double seconds = Seconds(() => _model.Forward(prompt.Span, _caches[0], _cancellation));
                if (round >= 0) prompts[round] = (prompt.Length * body + (all - body)) / seconds;
            }
            foreach ((int answers, double[] of) in rates)
            {
                Fill(answers, depth.Span);
                double seconds = Seconds(() => Decode(answers));
                if (round >= 0) of[round] = answers * _options.Decode / seconds;
            }
        }
        double one = Median(rates[1]);
        return [.. _options.Parallel.Select(answers =>
        {
            double rate = Median(rates[answers]);
            return new ParallelRate(answers, rate, rate * all, rate / one, prompt.IsEmpty ? null : rate * all / Median(prompts));
        })];
    }

    public void Dispose()
    {
        foreach (KvCache cache in _caches) cache.Dispose();
    }

    private void Decode(int answers)
    {
        ReadOnlySpan<int> tokens = _tokens.AsSpan(0, answers);
        ReadOnlySpan<KvCache> caches = _caches.AsSpan(0, answers);
        for (int i = 0; i < answers; i++) _tokens[i] = 1 + i % (_model.Info.VocabularySize - 1);
        for (int count = 0; count < _options.Decode; count++)
        {
            if (answers == 1) _model.Forward(tokens, caches[0], _cancellation);
            else _model.ForwardBatch(tokens, caches, _cancellation);
            for (int i = 0; i < answers; i++) _tokens[i] = _greedy[i].Sample(_model.LogitsOf(caches[i]));
        }
    }

    private void Fill(int answers, ReadOnlySpan<int> depth)
    {
        foreach (KvCache cache in _caches.AsSpan(0, answers))
        {
            int kept = cache.Truncate(depth.Length);
            if (kept < depth.Length) _model.Forward(depth[kept..], cache, _cancellation);
        }
    }

    private long CostOf(Func<Operation, bool> which) =>
        Enum.GetValues<Operation>().Where(which).Sum(operation => _model.Cost(operation).MultiplyAdds);

    private static double Seconds(Action measured)
    {
        long start = Stopwatch.GetTimestamp();
        measured();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Median(double[] values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
