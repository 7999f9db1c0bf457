namespace EdgeLlm.Chat.Tools;

/// <summary>How a text compares with one that is expected.</summary>
internal enum TextMatch
{
    /// <summary>It begins otherwise.</summary>
    No,

    /// <summary>It ends before it differs.</summary>
    Partly,

    /// <summary>It begins with it.</summary>
    Whole,
}

/// <summary>Texts in which a run of white space stands for any.</summary>
internal static class FlexibleText
{
    /// <summary>Compares the beginning of a text with one that is expected.</summary>
    /// <param name="length">Characters that it takes, where it matches; a run of white space at its end takes all there is.</param>
    public static TextMatch Match(ReadOnlySpan<char> text, ReadOnlySpan<char> expected, out int length)
    {
        int at = 0;
        length = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            if (char.IsWhiteSpace(expected[i]))
            {
                while (at < text.Length && char.IsWhiteSpace(text[at])) at++;
                continue;
            }
            if (at == text.Length) return TextMatch.Partly;
            if (text[at] != expected[i]) return TextMatch.No;
            at++;
        }
        length = at;
        return TextMatch.Whole;
    }

    /// <summary>Length of the longest end of a text that an expected one, without white space at its beginning, begins with.</summary>
    public static int LongestOverlap(ReadOnlySpan<char> text, ReadOnlySpan<char> expected)
    {
        for (int start = Math.Max(0, text.Length - 2 * expected.Length); start < text.Length; start++)
        {
            if (Match(text[start..], expected, out _) == TextMatch.Partly) return text.Length - start;
        }
        return 0;
    }
}
