namespace EdgeLlm.Tokenization.Patterns;

/// <summary>
/// <c>(body){minimum,maximum}</c>, as many iterations as there are, then fewer until the rest matches. An iteration that matched is not
/// tried in another way: that is exact where its body can't be, as in the expressions in use.
/// </summary>
internal sealed class GroupLoop(PatternNode body, int minimum, int maximum) : PatternNode
{
    public override int Match(in PatternInput input, int position)
    {
        List<int>? ends = IsLast ? null : [];
        int count = 0;
        for (; count < maximum; count++)
        {
            int end = body.Match(input, position);
            if (end <= position) break;
            ends?.Add(position);
            position = end;
        }
        if (count < minimum) return -1;
        int match = Next.Match(input, position);
        while (match < 0 && ends is not null && --count >= minimum) match = Next.Match(input, ends[count]);
        return match;
    }
}

/// <summary><c>(?&gt;body)</c>: its first match or none.</summary>
internal sealed class AtomicGroup(PatternNode body) : PatternNode
{
    public override int Match(in PatternInput input, int position)
    {
        int end = body.Match(input, position);
        return end < 0 ? -1 : Next.Match(input, end);
    }
}
