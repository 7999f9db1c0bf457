namespace EdgeLlm.Tokenization.Patterns;

/// <summary><c>(?=[class])</c>, <c>(?![class])</c> and, as no character of any class, <c>$</c>.</summary>
internal sealed class Lookahead(CodePointClass set, bool negative) : PatternNode
{
    public override int Match(in PatternInput input, int position)
    {
        bool found = position < input.Text.Length && set.WidthAt(input.Text, position) > 0;
        return found == negative ? -1 : Next.Match(input, position);
    }

    /// <summary>The class of one character out of <paramref name="following"/> after this look-ahead.</summary>
    public CodePointClass? Fold(CodePointClass following) => negative ? null : following.And(set);
}

/// <summary><c>(?=body)</c> and <c>(?!body)</c>.</summary>
internal sealed class GroupLookahead(PatternNode body, bool negative) : PatternNode
{
    public override int Match(in PatternInput input, int position) =>
        body.Match(input, position) >= 0 == negative ? -1 : Next.Match(input, position);
}

/// <summary>
/// <c>(?&lt;=[class])</c>, <c>(?&lt;![class])</c> and, as no character before a line or the text, <c>^</c> and <c>\A</c>.
/// </summary>
internal sealed class Lookbehind(CodePointClass set, bool negative) : PatternNode
{
    public override int Match(in PatternInput input, int position)
    {
        bool found = position > 0 && set.WidthAt(input.Text, Utf8.Previous(input.Text, position)) > 0;
        return found == negative ? -1 : Next.Match(input, position);
    }
}
