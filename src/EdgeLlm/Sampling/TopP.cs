namespace EdgeLlm.Sampling;

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
