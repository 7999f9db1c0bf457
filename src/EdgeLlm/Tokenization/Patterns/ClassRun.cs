namespace EdgeLlm.Tokenization.Patterns;

/// <summary>
/// <c>[class]{minimum,maximum}</c>, as many as there are, then fewer until the rest matches; lazy, as few as do; possessive, all or none.
/// </summary>
/// <param name="set">The class.</param>
/// <param name="minimum">Least number of repetitions.</param>
/// <param name="maximum">Most repetitions; <see cref="int.MaxValue"/> is unbounded.</param>
/// <param name="index">The number of this unbounded run in the expression.</param>
internal sealed class ClassRun(CodePointClass set, int minimum, int maximum, int index) : PatternNode
{
    public CodePointClass? Single => minimum == 1 && maximum == 1 ? set : null;

    public bool IsLazy { get; init; }

    public bool IsPossessive { get; init; }

    public override int Match(in PatternInput input, int position)
    {
        if (IsLazy) return MatchLazily(input, position);
        // A run that failed also fails from any later position in it, as the rest fails at each of its ends. Without this memory
        // `\s*[\r\n]+` would look through a megabyte of spaces again and again.
        bool unbounded = maximum == int.MaxValue;
        if (unbounded && position >= input.Failures[2 * index] && position <= input.Failures[2 * index + 1]) return -1;

        ReadOnlySpan<byte> text = input.Text;
        int end = position, count = 0;
        for (; count < maximum && end < text.Length; count++)
        {
            int width = set.WidthAt(text, end);
            if (width == 0) break;
            end += width;
        }
        int furthest = end;
        for (; count >= minimum; count--)
        {
            int match = Next.Match(input, end);
            if (match >= 0) return match;
            if (IsPossessive) break;
            if (count > 0) end = Utf8.Previous(text, end);
        }
        if (unbounded) (input.Failures[2 * index], input.Failures[2 * index + 1]) = (position, furthest);
        return -1;
    }

    private int MatchLazily(in PatternInput input, int position)
    {
        for (int count = 0; ; count++)
        {
            int match = count >= minimum ? Next.Match(input, position) : -1;
            if (match >= 0 || count == maximum || position == input.Text.Length) return match;
            int width = set.WidthAt(input.Text, position);
            if (width == 0) return -1;
            position += width;
        }
    }
}
