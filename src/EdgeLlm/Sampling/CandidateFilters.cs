namespace EdgeLlm.Sampling;

/// <summary>Removes candidates, never all of them.</summary>
internal interface ICandidateFilter
{
    void Apply(Candidates candidates);
}

/// <summary>
/// Min-p (Nguyen et al., https://arxiv.org/abs/2407.01082): keeps the candidates at least p times as probable as the best.
/// </summary>
internal sealed class MinP(float p) : ICandidateFilter
{
    private readonly double _distance = -DeterministicMath.Log(p); // of logits whose probabilities are in the ratio p

    public void Apply(Candidates candidates) => candidates.KeepWithin(_distance);
}

/// <summary>
/// Nucleus sampling (Holtzman et al., https://arxiv.org/abs/1904.09751): keeps the best candidates until their probabilities reach p.
/// </summary>
internal sealed class TopP(float p) : ICandidateFilter
{
    // By how far a logit is below the best, in whole steps: what those candidates weigh. From 708 on that is nothing.
    private readonly double[] _weightAtDistance = new double[709];

    public void Apply(Candidates candidates)
    {
        double enough = p * candidates.Weigh();
        KeepUntil(enough, candidates);

        candidates.Sort();
        candidates.Weigh();
        ReadOnlySpan<double> weights = candidates.Weights;
        double mass = 0;
        int kept = 0;
        do mass += weights[kept++];
        while (mass < enough && kept < weights.Length);
        candidates.Keep(0, kept);
    }

    /// <summary>
    /// Removes those whose turn does not come before there is enough, seen coarsely, so that the whole vocabulary needs no sorting.
    /// </summary>
    private void KeepUntil(double enough, Candidates candidates)
    {
        Array.Clear(_weightAtDistance);
        double best = candidates.BestLogit();
        ReadOnlySpan<double> weights = candidates.Weights;
        for (int i = 0; i < weights.Length; i++)
        {
            _weightAtDistance[(int)Math.Min(best - candidates.Logit(i), 708)] += weights[i];
        }

        int distance = 0;
        double mass = _weightAtDistance[0];
        while (mass < enough && distance < 708) mass += _weightAtDistance[++distance];
        candidates.KeepWithin(distance + 1);
    }
}

/// <summary>
/// Locally typical sampling (Meister et al., https://arxiv.org/abs/2202.00666): keeps the candidates whose information content is
/// nearest to the entropy, until their probabilities exceed p. With logits l the distance |-log p(i) - entropy| is |l(i) - mean of l
/// under p|: no logarithm.
/// </summary>
internal sealed class TypicalP(float p) : ICandidateFilter
{
    public void Apply(Candidates candidates)
    {
        candidates.Sort();
        double sum = candidates.Weigh();
        ReadOnlySpan<double> weights = candidates.Weights;

        double mean = 0;
        for (int i = 0; i < weights.Length; i++) mean += weights[i] * candidates.Logit(i);
        mean /= sum;

        // The candidates nearest to the mean are a range of the sorted ones: it starts empty at the mean and grows at its nearer side.
        int start = 0;
        while (start < weights.Length && candidates.Logit(start) >= mean) start++;
        int end = start;
        double mass = 0;
        do
        {
            bool better = end == weights.Length || (start > 0 && candidates.Logit(start - 1) - mean <= mean - candidates.Logit(end));
            mass += weights[better ? --start : end++];
        }
        while (mass <= p * sum && end - start < weights.Length);
        candidates.Keep(start, end - start);
    }
}
