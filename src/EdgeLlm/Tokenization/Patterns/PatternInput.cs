namespace EdgeLlm.Tokenization.Patterns;

/// <summary>The text that is matched, and what is known of it so far.</summary>
/// <param name="text">One piece of text: look-ahead sees its end as the end of everything.</param>
/// <param name="failures">Two for each unbounded <see cref="ClassRun"/>: the first and last position of the run that it failed in.</param>
internal readonly ref struct PatternInput(ReadOnlySpan<byte> text, Span<int> failures)
{
    public readonly ReadOnlySpan<byte> Text = text;
    public readonly Span<int> Failures = failures;
}
