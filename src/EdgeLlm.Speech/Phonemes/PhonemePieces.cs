namespace EdgeLlm.Speech.Phonemes;

/// <summary>Cuts the phonemes of a long sentence into pieces that the voice can say at once.</summary>
internal static class PhonemePieces
{
    /// <summary>Phonemes from which on a sentence is cut.</summary>
    public const int Long = 200;

    /// <summary>Most phonemes of a piece.</summary>
    public const int Most = 400;

    /// <summary>The pieces: cut after a clause's comma, else at a space, else anywhere.</summary>
    public static IEnumerable<string> Cut(string phonemes)
    {
        int start = 0;
        while (phonemes.Length - start > Long)
        {
            int end = EndOf(phonemes, start);
            string piece = phonemes[start..end].Trim();
            if (piece.Length > 0) yield return piece;
            start = end;
        }
        string last = phonemes[start..].Trim();
        if (last.Length > 0) yield return last;
    }

    private static int EndOf(string phonemes, int start)
    {
        int limit = start + Long, space = -1;
        for (int i = limit; i > start + 1; i--)
        {
            if (phonemes[i - 1] != ' ') continue;
            if (phonemes[i - 2] is ',' or ';' or ':' or '—') return i;
            if (space < 0) space = i;
        }
        // No clause ends within the length: the next one may, and a word is never cut while it can be helped.
        for (int i = limit + 1; i <= Math.Min(start + Most, phonemes.Length); i++)
        {
            if (phonemes[i - 1] == ' ' && phonemes[i - 2] is ',' or ';' or ':' or '—') return i;
        }
        if (space > 0) return space;
        int next = phonemes.IndexOf(' ', limit, Math.Min(Most - Long, phonemes.Length - limit));
        return next < 0 ? Math.Min(start + Most, phonemes.Length) : next;
    }
}
