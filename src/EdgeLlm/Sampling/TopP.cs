namespace EdgeLlm.Sampling;

/// <summary>Nucleus sampling (Holtzman et al., https://arxiv.org/abs/1904.09751): keeps the best candidates until their probabilities reach p.</summary>
internal sealed class TopP(float p) : ICandidateFilter
{
    public void Apply(Candidates candidates)
    {
        double sum = candidates.Weigh();

        // Candidates below this weight have less than 1 - p between them, so p is reached before their turn: they need no sorting.
        // (Half of it, for the rounding of sums.)
        candidates.KeepAtLeast((1 - (double)p) * sum / (2.0 * candidates.Count));

        candidates.Sort();
        candidates.Weigh();
        ReadOnlySpan<double> weights = candidates.Weights;
        double mass = 0;
        int kept = 0;
        do mass += weights[kept++];
        while (mass < p * sum && kept < weights.Length);
        candidates.Keep(0, kept);
    }
}
