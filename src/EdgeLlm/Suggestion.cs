namespace EdgeLlm;

/// <summary>"Did you mean": the word that somebody most likely wanted to type.</summary>
internal static class Suggestion
{
    /// <summary>The candidate nearest to a word in any case, or null where none is near: at most a third of its letters differ.</summary>
    public static string? For(string word, IEnumerable<string> candidates)
    {
        string lower = word.ToLowerInvariant();
        int most = Math.Max(1, word.Length / 3);
        return candidates.Select(candidate => (candidate, Distance: Distance(lower, candidate.ToLowerInvariant(), most)))
            .Where(pair => pair.Distance <= most)
            .OrderBy(pair => pair.Distance).ThenBy(pair => Math.Abs(pair.candidate.Length - word.Length))
            .ThenBy(pair => pair.candidate, StringComparer.Ordinal)
            .Select(pair => pair.candidate).FirstOrDefault();
    }

    /// <summary>
    /// Letters to insert, remove, change or swap with their neighbour to make one word of the other (optimal string alignment); above
    /// <paramref name="most"/> any number above it.
    /// </summary>
    private static int Distance(string a, string b, int most)
    {
        if (Math.Abs(a.Length - b.Length) > most) return most + 1;
        var rows = new int[3][]; // row i of the table is rows[i % 3]: two earlier ones are needed
        rows[0] = [.. Enumerable.Range(0, b.Length + 1)];
        (rows[1], rows[2]) = (new int[b.Length + 1], new int[b.Length + 1]);
        for (int i = 1; i <= a.Length; i++)
        {
            (int[] row, int[] before, int[] twoBefore) = (rows[i % 3], rows[(i + 2) % 3], rows[(i + 1) % 3]);
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                row[j] = Math.Min(Math.Min(row[j - 1], before[j]) + 1, before[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                if (swapped) row[j] = Math.Min(row[j], twoBefore[j - 2] + 1);
            }
        }
        return rows[a.Length % 3][b.Length];
    }
}
