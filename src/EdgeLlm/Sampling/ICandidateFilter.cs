namespace EdgeLlm.Sampling;

/// <summary>Removes candidates, never all of them.</summary>
internal interface ICandidateFilter
{
    void Apply(Candidates candidates);
}
