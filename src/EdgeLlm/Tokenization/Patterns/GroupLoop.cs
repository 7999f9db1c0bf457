namespace EdgeLlm.Tokenization.Patterns;

/// <summary>
/// <c>(body){minimum,maximum}</c>, which never gives an iteration back. That is exact for the expressions in use: after their
/// groups comes either the end of the expression or a character that no iteration can take.
/// </summary>
internal sealed class GroupLoop(PatternNode body, int minimum, int maximum) : PatternNode
{
    public override int Match(in PatternInput input, int position)
    {
        for (int count = 0; count < maximum; count++)
        {
            int end = body.Match(input, position);
            if (end <= position)
            {
                if (count < minimum) return -1;
                break;
            }
            position = end;
        }
        return Next.Match(input, position);
    }
}
