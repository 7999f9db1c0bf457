namespace EdgeLlm.Sampling;

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
