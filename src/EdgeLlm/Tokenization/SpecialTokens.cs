using System.Buffers;

namespace EdgeLlm.Tokenization;

/// <summary>Takes out of a text the tokens that are not subject to the tokenizer's rules: user defined ones, and control tokens.</summary>
internal sealed class SpecialTokens
{
    private readonly Vocabulary _vocabulary;
    private readonly int[] _ids; // the longest text first
    private readonly PrefixIndex _index;
    private readonly SearchValues<byte> _firstBytes;

    public SpecialTokens(Vocabulary vocabulary)
    {
        _vocabulary = vocabulary;
        _ids = [.. Enumerable.Range(0, vocabulary.Count).Where(IsSpecial).OrderByDescending(id => vocabulary[id].Length)];
        _index = new PrefixIndex(vocabulary.Data.Tokens, _ids);
        _firstBytes = SearchValues.Create([.. _ids.Select(id => vocabulary[id][0]).Distinct()]);

        bool IsSpecial(int id) =>
            vocabulary.TypeOf(id) is TokenType.Control or TokenType.UserDefined or TokenType.Unknown && !vocabulary[id].IsEmpty;
    }

    /// <summary>A stretch of the text, and the token that it is or -1.</summary>
    public readonly record struct Fragment(int Start, int Length, int Token);

    /// <summary>
    /// Cuts <paramref name="text"/> into stretches of text and special tokens: every place of the longest token first, then what is
    /// left of the next longest. User defined tokens are always taken, the others if <paramref name="parseSpecial"/>; none is taken where
    /// it touches one of <paramref name="literals"/>, but for white space.
    /// </summary>
    public List<Fragment> Split(ReadOnlySpan<byte> text, bool parseSpecial, ReadOnlySpan<(int Start, int End)> literals)
    {
        List<Fragment> fragments = [];
        if (!text.IsEmpty) fragments.Add(new Fragment(0, text.Length, -1));
        HashSet<int> occurring = Occurring(text);
        if (occurring.Count == 0) return fragments;

        foreach (int id in _ids)
        {
            if (!occurring.Contains(id)) continue;
            bool isUserDefined = _vocabulary.TypeOf(id) == TokenType.UserDefined;
            if (!isUserDefined && !parseSpecial) continue;
            fragments = Take(id, text, fragments, isUserDefined && !_vocabulary.IsMarkup(id) ? [] : literals);
        }
        return fragments;
    }

    private HashSet<int> Occurring(ReadOnlySpan<byte> text)
    {
        HashSet<int> occurring = [];
        List<int> found = [];
        for (int position = 0; position < text.Length; position++)
        {
            int skipped = text[position..].IndexOfAny(_firstBytes);
            if (skipped < 0) break;
            position += skipped;
            _index.Find(text[position..], found);
            foreach (int id in found) occurring.Add(id);
        }
        return occurring;
    }

    private List<Fragment> Take(int id, ReadOnlySpan<byte> text, List<Fragment> fragments, ReadOnlySpan<(int Start, int End)> literals)
    {
        ReadOnlySpan<byte> token = _vocabulary[id];
        List<Fragment> result = [];
        foreach (Fragment fragment in fragments)
        {
            int start = fragment.Start, end = fragment.Start + fragment.Length;
            for (int from = start; fragment.Token < 0;)
            {
                int index = text[from..end].IndexOf(token);
                if (index < 0) break;
                int match = from + index;
                from = match + 1;
                if (Touches(literals, match, match + token.Length)) continue;
                if (match > start) result.Add(new Fragment(start, match - start, -1));
                result.Add(new Fragment(match, token.Length, id));
                start = from = match + token.Length;
            }
            if (start < end) result.Add(fragment with { Start = start, Length = end - start });
        }
        return result;
    }

    /// <summary>Whether a stretch overlaps one of others.</summary>
    public static bool Touches(ReadOnlySpan<(int Start, int End)> ranges, int start, int end)
    {
        foreach ((int rangeStart, int rangeEnd) in ranges)
        {
            if (rangeStart < end && start < rangeEnd) return true;
        }
        return false;
    }
}
