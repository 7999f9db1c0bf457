namespace EdgeLlm.Tokenization;

/// <summary>Finds the tokens that a text starts with: the ids sorted by the tokens' bytes, narrowed byte by byte.</summary>
internal sealed class PrefixIndex
{
    private readonly Utf8Strings _tokens;
    private readonly int[] _sorted;
    private readonly int[] _firstByteEnds = new int[256]; // where in _sorted the tokens end that start with this byte

    /// <param name="tokens">The texts.</param>
    /// <param name="ids">Which of them to find, none of them empty; of several with one text the last is found.</param>
    public PrefixIndex(Utf8Strings tokens, IEnumerable<int> ids)
    {
        _tokens = tokens;
        int[] sorted = [.. ids];
        Array.Sort(sorted,
            (left, right) => tokens[left].SequenceCompareTo(tokens[right]) is not 0 and var order ? order : left.CompareTo(right));
        _sorted = [.. sorted.Where((id, i) => i + 1 == sorted.Length || !tokens[id].SequenceEqual(tokens[sorted[i + 1]]))];
        foreach (int id in _sorted) _firstByteEnds[tokens[id][0]]++;
        for (int i = 1; i < 256; i++) _firstByteEnds[i] += _firstByteEnds[i - 1];
    }

    /// <summary>Replaces <paramref name="found"/> by the tokens that <paramref name="text"/> starts with, the shortest first.</summary>
    public void Find(ReadOnlySpan<byte> text, List<int> found)
    {
        found.Clear();
        if (text.IsEmpty) return;
        int low = text[0] == 0 ? 0 : _firstByteEnds[text[0] - 1], high = _firstByteEnds[text[0]];
        for (int depth = 1; low < high; depth++)
        {
            if (_tokens[_sorted[low]].Length == depth) found.Add(_sorted[low++]);
            if (depth == text.Length) return;
            low = LowerBound(low, high, depth, text[depth]);
            if (text[depth] < 255) high = LowerBound(low, high, depth, text[depth] + 1);
        }
    }

    /// <summary>
    /// The first of a range of sorted tokens whose byte at <paramref name="depth"/> is at least <paramref name="value"/>.
    /// </summary>
    private int LowerBound(int low, int high, int depth, int value)
    {
        while (low < high)
        {
            int middle = (int)((uint)(low + high) / 2);
            if (_tokens[_sorted[middle]][depth] < value) low = middle + 1;
            else high = middle;
        }
        return low;
    }
}
