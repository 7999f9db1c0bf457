namespace EdgeLlm.Tokenization.Patterns;

/// <summary><c>a|b|c</c>: the first that matches, not the longest.</summary>
internal sealed class Alternation(PatternNode[] branches, PatternNode[] branchEnds) : PatternNode
{
    public override void ContinueWith(PatternNode next)
    {
        foreach (PatternNode end in branchEnds) end.ContinueWith(next);
    }

    public override int Match(in PatternInput input, int position)
    {
        foreach (PatternNode branch in branches)
        {
            int match = branch.Match(input, position);
            if (match >= 0) return match;
        }
        return -1;
    }
}
