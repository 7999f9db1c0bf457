namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>Finding text in text in time proportional to their lengths, whatever a template chose to search for.</summary>
internal static class TextSearch
{
    // Up to here the platform's vectorized search is linear enough: it compares at most this many characters at a position.
    private const int LongestNaive = 64;

    /// <summary>The first position of a pattern at or after a start, or -1.</summary>
    public static int IndexOf(Rendering rendering, string text, string pattern, int start) =>
        IndexOf(rendering, text, pattern, start, text.Length);

    /// <summary>The first position of a pattern that is wholly in [start, end), or -1.</summary>
    public static int IndexOf(Rendering rendering, string text, string pattern, int start, int end)
    {
        if (pattern.Length > LongestNaive && pattern.Length <= end - start)
            return Search(rendering, text, pattern, start, end, last: false);
        int at = text.AsSpan(start, end - start).IndexOf(pattern);
        rendering.Step((at < 0 ? end - start : at) >> 6);
        return at < 0 ? -1 : start + at;
    }

    /// <summary>The last position of a pattern that is wholly in [start, end), or -1.</summary>
    public static int LastIndexOf(Rendering rendering, string text, string pattern, int start, int end)
    {
        if (pattern.Length > LongestNaive && pattern.Length <= end - start) return Search(rendering, text, pattern, start, end, last: true);
        int at = text.AsSpan(start, end - start).LastIndexOf(pattern);
        rendering.Step((at < 0 ? end - start : end - start - at) >> 6);
        return at < 0 ? -1 : start + at;
    }

    /// <summary>The algorithm of Knuth, Morris and Pratt.</summary>
    private static int Search(Rendering rendering, string text, string pattern, int start, int end, bool last)
    {
        int[] borders = Borders(rendering, pattern);
        int matched = 0, found = -1;
        for (int i = start; i < end; i++)
        {
            while (matched > 0 && text[i] != pattern[matched]) matched = borders[matched - 1];
            if (text[i] == pattern[matched]) matched++;
            if (matched < pattern.Length) continue;
            found = i - matched + 1;
            if (!last) break;
            matched = borders[matched - 1];
        }
        rendering.Step((found < 0 || last ? end - start : found - start) >> 4);
        return found;
    }

    /// <summary>Per prefix of the pattern, the length of its longest proper prefix that is also its suffix.</summary>
    private static int[] Borders(Rendering rendering, string pattern)
    {
        rendering.AllocateText(pattern.Length * 2L);
        int[] borders = new int[pattern.Length];
        for (int i = 1, length = 0; i < pattern.Length; i++)
        {
            while (length > 0 && pattern[i] != pattern[length]) length = borders[length - 1];
            if (pattern[i] == pattern[length]) length++;
            borders[i] = length;
        }
        return borders;
    }
}
