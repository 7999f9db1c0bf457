namespace EdgeLlm.Tokenization.Patterns;

/// <summary><c>(?=[class])</c>, <c>(?![class])</c> and, as no character of any class, <c>$</c>.</summary>
internal sealed class Lookahead(CodePointClass set, bool negative) : PatternNode
{
    public override int Match(in PatternInput input, int position)
    {
        bool found = position < input.Text.Length && set.WidthAt(input.Text, position) > 0;
        return found == negative ? -1 : Next.Match(input, position);
    }

    /// <summary>The class of one character out of <paramref name="following"/> behind this look-ahead.</summary>
    public CodePointClass? Fold(CodePointClass following) => negative ? null : following.And(set);
}
