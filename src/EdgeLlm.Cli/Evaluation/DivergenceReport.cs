namespace EdgeLlm.Cli.Evaluation;

/// <summary>How a model's predictions differ from a reference model's: KL divergences in nats.</summary>
/// <param name="ReferencePerplexity">exp of the mean of -log p of the reference model over the same tokens.</param>
/// <param name="SameTop">Share of the predictions, 0 to 1, in which both hold the same token to be the likeliest.</param>
internal sealed record DivergenceReport(double ReferencePerplexity, double Mean, double Median, double Percentile99, double SameTop)
{
    public static DivergenceReport Of(List<PredictionScore> scores)
    {
        double[] sorted = [.. scores.Select(score => score.Divergence).Order()];
        double perplexity = Math.Exp(scores.Average(score => score.ReferenceSurprise));
        return new DivergenceReport(perplexity, sorted.Average(), Quantile(sorted, 0.5), Quantile(sorted, 0.99),
            scores.Count(score => score.SameTop) / (double)scores.Count);
    }

    /// <summary>Between the two nearest ranks on a straight line, as llama-perplexity does.</summary>
    private static double Quantile(double[] sorted, double share)
    {
        double rank = share * (sorted.Length - 1);
        int below = (int)rank, above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + (rank - below) * (sorted[above] - sorted[below]);
    }
}
