using EdgeLlm.Models;

namespace EdgeLlm.Cli.Evaluation;

/// <summary>A model's predictions of a text, window by window, beside a reference model's where there is one.</summary>
internal sealed class PerplexityRun(TextWindows windows, IPredictions model, IPredictions? reference)
{
    private readonly List<PredictionScore> _scores = new(windows.Count * (windows.Length - 1 - windows.FirstPrediction));
    private readonly PredictionScore[] _latest = new PredictionScore[WindowPass.MostTokens];

    private double _surprise;

    /// <summary>Windows done.</summary>
    public int Windows { get; private set; }

    /// <summary>exp of the mean of -log p over the windows done.</summary>
    public double Perplexity => Math.Exp(_surprise / _scores.Count);

    /// <summary>All that came out of the windows done.</summary>
    /// <exception cref="NotFiniteException">The text is so unlikely to a model that its perplexity exceeds a double.</exception>
    public PerplexityReport Report()
    {
        var report = new PerplexityReport(Perplexity, Windows, _scores.Count, reference is null ? null : DivergenceReport.Of(_scores));
        if (double.IsFinite(report.Perplexity) && double.IsFinite(report.Divergence?.ReferencePerplexity ?? 0)
            && double.IsFinite(report.Divergence?.Mean ?? 0))
            return report;
        throw new NotFiniteException("the perplexity is larger than a number can be: the weights of a model are damaged");
    }

    /// <summary>Scores the next window; false after the last one.</summary>
    public bool Next(CancellationToken cancellation)
    {
        if (Windows == windows.Count) return false;
        int[] tokens = windows[Windows].ToArray();
        int position = windows.FirstPrediction;
        ForEachModel(pass => pass.Begin(tokens.AsSpan(0, position), cancellation));
        for (int count; position < tokens.Length - 1; position += count)
        {
            count = Math.Min(WindowPass.MostTokens, tokens.Length - 1 - position);
            int start = position, end = position + count;
            ForEachModel(pass => pass.Continue(tokens.AsSpan(start..end), cancellation));
            Parallel.For(0, count,
                i => _latest[i] = PredictionScore.Of(model.Logits(i), tokens[start + i + 1], reference is null ? [] : reference.Logits(i)));
            foreach (PredictionScore score in _latest.AsSpan(0, count))
            {
                _scores.Add(score);
                _surprise += score.Surprise;
            }
        }
        Windows++;
        return true;
    }

    private void ForEachModel(Action<IPredictions> action)
    {
        action(model);
        if (reference is not null) action(reference);
    }
}
