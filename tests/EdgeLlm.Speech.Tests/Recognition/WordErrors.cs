namespace EdgeLlm.Speech.Tests.Recognition;

/// <summary>Words that differ between two texts.</summary>
internal static class WordErrors
{
    /// <summary>Lower case, without marks.</summary>
    public static string[] WordsOf(string text) =>
        [.. text.ToLowerInvariant().Split([' ', '-', '\n'], StringSplitOptions.RemoveEmptyEntries)
            .Select(word => string.Concat(word.Where(c => char.IsLetterOrDigit(c) || c == '\''))).Where(word => word.Length > 0)];

    /// <summary>Words that have to be put in, taken out or replaced: Levenshtein's distance.</summary>
    public static int Count(string wanted, string found)
    {
        string[] a = WordsOf(wanted), b = WordsOf(found);
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int above = row[j];
                row[j] = Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }
        return row[b.Length];
    }
}
