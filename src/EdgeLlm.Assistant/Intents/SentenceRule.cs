namespace EdgeLlm.Assistant.Intents;

/// <summary>A part of a sentence.</summary>
/// <param name="Sign">Its meaning.</param>
/// <param name="Value">Of a number its value, of a device its number.</param>
/// <param name="Start">Its first word.</param>
internal readonly record struct Part(Sign Sign, double Value, int Start);

/// <summary>
/// Which meanings a sentence may have together, and how often each. Every word has to belong to one: a sentence with any other word is not
/// this one.
/// </summary>
internal sealed class SentenceRule
{
    private const int MostSteps = 20_000;

    private readonly Dictionary<Sign, (int Least, int Most)> _counts = [];

    /// <summary>A rule; signs that may be there several times and need not be at all.</summary>
    public SentenceRule(params ReadOnlySpan<Sign> free)
    {
        foreach (Sign sign in free) _counts[sign] = (0, 8);
    }

    /// <summary>A sign with bounds of its own.</summary>
    public SentenceRule With(Sign sign, int least, int most)
    {
        _counts[sign] = (least, most);
        return this;
    }

    /// <summary>The parts of a sentence; null where it is not one of this rule.</summary>
    /// <param name="phrasesAt">Phrases with their signs at a word: length, sign, value.</param>
    /// <param name="holds">A last condition on all parts.</param>
    public List<Part>? Match(int words, Func<int, IEnumerable<(int Words, Sign Sign, double Value)>> phrasesAt,
        Func<List<Part>, bool>? holds = null)
    {
        var parts = new List<Part>();
        int steps = 0;
        return words > 0 && Next(0) ? parts : null;

        bool Next(int position)
        {
            if (++steps > MostSteps) return false;
            if (position == words)
            {
                foreach ((Sign sign, (int least, _)) in _counts)
                {
                    if (parts.Count(part => part.Sign == sign) < least) return false;
                }
                return holds?.Invoke(parts) ?? true;
            }
            foreach ((int length, Sign sign, double value) in phrasesAt(position).OrderByDescending(static phrase => phrase.Words))
            {
                if (!_counts.TryGetValue(sign, out (int Least, int Most) bounds) || parts.Count(part => part.Sign == sign) >= bounds.Most)
                    continue;
                parts.Add(new Part(sign, value, position));
                if (Next(position + length)) return true;
                parts.RemoveAt(parts.Count - 1);
            }
            return false;
        }
    }
}
