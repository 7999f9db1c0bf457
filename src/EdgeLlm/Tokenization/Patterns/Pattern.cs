namespace EdgeLlm.Tokenization.Patterns;

/// <summary>
/// A regular expression of the kind that pre-tokenizers use, matched by code points over UTF-8. .NET's own works on UTF-16 units, so
/// that its <c>\p{L}</c> misses every letter beyond U+FFFF. See <see cref="PatternParser"/> for what is understood. Time is linear in
/// the text for the expressions in use.
/// </summary>
internal sealed class Pattern(PatternNode root, int unboundedRuns) : Splitter
{
    /// <exception cref="NotSupportedException">The expression has something that this dialect lacks.</exception>
    public static Pattern Parse(string expression, Dialect dialect = Dialect.LlamaCpp) => new PatternParser(expression, dialect).Parse();

    /// <summary>Cuts out every match; the text between two matches is a piece too.</summary>
    public override void Split(ReadOnlySpan<byte> text, int offset, List<int> ends)
    {
        Span<int> failures = stackalloc int[2 * unboundedRuns];
        failures.Fill(-1);
        PatternInput input = new(text, failures);
        int done = 0;
        while (Next(input, done) is (int start, int end))
        {
            if (start > done) ends.Add(offset + start);
            ends.Add(offset + end);
            done = end;
        }
        if (done < text.Length) ends.Add(offset + text.Length);
    }

    /// <summary>Appends the matches that are not empty, from the left.</summary>
    public void Find(ReadOnlySpan<byte> text, List<(int Start, int End)> matches)
    {
        Span<int> failures = stackalloc int[2 * unboundedRuns];
        failures.Fill(-1);
        PatternInput input = new(text, failures);
        for (int done = 0; Next(input, done) is (int start, int end); done = end) matches.Add((start, end));
    }

    /// <summary>The first match from a position on that is not empty, or null.</summary>
    private (int Start, int End)? Next(in PatternInput input, int position)
    {
        while (position < input.Text.Length)
        {
            int end = root.Match(input, position);
            if (end > position) return (position, end);
            position += Utf8.WidthAt(input.Text, position);
        }
        return null;
    }
}
