namespace EdgeLlm.Chat.Tools;

/// <summary>How a model marks what it thinks before it answers.</summary>
/// <param name="Open">Text before its thoughts.</param>
/// <param name="Close">Text after them.</param>
public sealed record ThinkingFormat(string Open, string Close)
{
    private static readonly ThinkingFormat[] Known =
    [
        new("<|channel|>analysis<|message|>", "<|end|>"), new("<|channel>thought", "<channel|>"),
        new("<|START_THINKING|>", "<|END_THINKING|>"),
        new("[THINK]", "[/THINK]"), new("<seed:think>", "</seed:think>"), new("<think>", "</think>"), new("<thinking>", "</thinking>"),
    ];

    /// <summary>The form that a template's source speaks of, or null where it speaks of none.</summary>
    public static ThinkingFormat? Detect(string source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return Known.FirstOrDefault(format => source.Contains(format.Close, StringComparison.Ordinal)
            && source.Contains(format.Open.StartsWith("<|channel|>", StringComparison.Ordinal) ? "analysis" : format.Open,
                StringComparison.Ordinal));
    }

    /// <summary>The form whose thoughts begin with a text; null where there is none.</summary>
    internal static ThinkingFormat? Opened(string open) => Known.FirstOrDefault(format => format.Open == open);

    /// <summary>Where thoughts begin: where an answer does; anywhere with models whose answers have several channels.</summary>
    /// <param name="text">A text.</param>
    /// <param name="isStart">Whether the answer begins with it.</param>
    /// <param name="isWhole">Whether the opening mark is there whole, and not only its beginning, at the text's end.</param>
    /// <returns>The place, or the text's length where there is none.</returns>
    internal int FindOpen(string text, bool isStart, out bool isWhole)
    {
        int at;
        if (Open.StartsWith("<|channel|>", StringComparison.Ordinal))
        {
            at = text.IndexOf(Open, StringComparison.Ordinal);
            isWhole = at >= 0;
            return isWhole ? at : text.Length - FlexibleText.LongestOverlap(text, Open);
        }
        at = text.Length - text.TrimStart().Length;
        isWhole = isStart && string.CompareOrdinal(text, at, Open, 0, Open.Length) == 0;
        return isWhole || (isStart && Open.StartsWith(text[at..], StringComparison.Ordinal)) ? at : text.Length;
    }

    /// <summary>Whether a prompt ends within thoughts: the template has opened them.</summary>
    public bool IsOpenAfter(string prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        int open = prompt.LastIndexOf(Open, StringComparison.Ordinal);
        return open >= 0 && string.IsNullOrWhiteSpace(prompt[(open + Open.Length)..]);
    }
}
