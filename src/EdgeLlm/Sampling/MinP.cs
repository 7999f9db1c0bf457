namespace EdgeLlm.Sampling;

/// <summary>Min-p (Nguyen et al., https://arxiv.org/abs/2407.01082): keeps the candidates with at least p times the probability of the best.</summary>
internal sealed class MinP(float p) : ICandidateFilter
{
    public void Apply(Candidates candidates)
    {
        candidates.Weigh(); // the best weighs 1
        candidates.KeepAtLeast(p);
    }
}
