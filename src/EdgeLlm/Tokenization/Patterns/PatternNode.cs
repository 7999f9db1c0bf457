namespace EdgeLlm.Tokenization.Patterns;

/// <summary>
/// A part of an expression that knows what comes after it: it matches when it and all that follows match, so that giving back a
/// character is a loop in one node and the depth of calls is that of the expression, never of the text.
/// </summary>
internal abstract class PatternNode
{
    private protected PatternNode Next { get; private set; } = Accept.Instance;

    /// <summary>Whether nothing comes after it.</summary>
    public bool IsLast => Next == Accept.Instance;

    /// <summary>Where the match ends that starts at <paramref name="position"/>, or -1.</summary>
    public abstract int Match(in PatternInput input, int position);

    public virtual void ContinueWith(PatternNode next) => Next = next;

    /// <summary>The end of an expression.</summary>
    private sealed class Accept : PatternNode
    {
        public static readonly Accept Instance = new();

        public override int Match(in PatternInput input, int position) => position;
    }
}

/// <summary>The text that is matched, and what is known of it so far.</summary>
/// <param name="text">One piece of text: look-ahead sees its end as the end of everything.</param>
/// <param name="failures">Two for each unbounded <see cref="ClassRun"/>: the first and last position of the run that it failed in.</param>
internal readonly ref struct PatternInput(ReadOnlySpan<byte> text, Span<int> failures)
{
    public readonly ReadOnlySpan<byte> Text = text;
    public readonly Span<int> Failures = failures;
}

/// <summary>Cuts a piece of text into smaller pieces; nothing is lost or changed.</summary>
internal abstract class Splitter
{
    /// <summary>Appends where each piece of <paramref name="text"/> ends, plus <paramref name="offset"/>.</summary>
    public abstract void Split(ReadOnlySpan<byte> text, int offset, List<int> ends);
}
