namespace EdgeLlm.Tokenization.Patterns;

/// <summary>
/// A regular expression of the kind that pre-tokenizers use, matched by code points over UTF-8. .NET's own works on UTF-16 units, so
/// that its <c>\p{L}</c> misses every letter beyond U+FFFF. See <see cref="PatternParser"/> for what is understood. Time is linear in
/// the text for the expressions in use.
/// </summary>
internal sealed class Pattern(PatternNode root, int unboundedRuns) : Splitter
{
    /// <exception cref="NotSupportedException">The expression has something that this dialect lacks.</exception>
    public static Pattern Parse(string expression) => new PatternParser(expression).Parse();

    /// <summary>Cuts out every match; what lies between two matches is a piece too.</summary>
    public override void Split(ReadOnlySpan<byte> text, int offset, List<int> ends)
    {
        Span<int> failures = stackalloc int[2 * unboundedRuns];
        failures.Fill(-1);
        PatternInput input = new(text, failures);
        int position = 0, pieceStart = 0;
        while (position < text.Length)
        {
            int end = root.Match(input, position);
            if (end <= position)
            {
                position += Utf8.WidthAt(text, position);
                continue;
            }
            if (position > pieceStart) ends.Add(offset + position);
            ends.Add(offset + end);
            position = pieceStart = end;
        }
        if (pieceStart < text.Length) ends.Add(offset + text.Length);
    }
}
