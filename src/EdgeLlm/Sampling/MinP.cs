namespace EdgeLlm.Sampling;

/// <summary>
/// Min-p (Nguyen et al., https://arxiv.org/abs/2407.01082): keeps the candidates at least p times as probable as the best.
/// </summary>
internal sealed class MinP(float p) : ICandidateFilter
{
    private readonly double _distance = -DeterministicMath.Log(p); // of logits whose probabilities are in the ratio p

    public void Apply(Candidates candidates) => candidates.KeepWithin(_distance);
}
