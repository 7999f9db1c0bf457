namespace EdgeLlm.Generation.Speculation;

/// <summary>
/// Drafts by look-up: where the text's last three tokens came before in it, what followed them then is likely to follow now (answers that
/// quote their prompt, code that is edited, lists of one form). Memory is taken at the start; nothing is allocated for a token.
/// </summary>
/// <param name="capacity">Most tokens of a text.</param>
internal sealed class NgramLookup(int capacity)
{
    private const int Length = 3;

    private readonly int[] _text = new int[capacity];
    private readonly int[] _next =
        // by hash: where what last followed begins; 0: nowhere
        new int[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(capacity, 16)) * 2];
    private int _count;

    /// <summary>Appends a token; beyond the capacity nothing is noted any more.</summary>
    public void Add(int token)
    {
        if (_count == _text.Length) return;
        if (_count >= Length) _next[PlaceOfLast()] = _count;
        _text[_count++] = token;
    }

    /// <summary>Writes the likely next tokens; gives how many, all or none.</summary>
    public int Propose(Span<int> draft)
    {
        if (_count < Length || _next[PlaceOfLast()] is not (> 0 and var from)) return 0;
        ReadOnlySpan<int> last = _text.AsSpan(_count - Length, Length);
        if (!_text.AsSpan(from - Length, Length).SequenceEqual(last)) return 0; // another one with this hash
        for (int i = 0; i < draft.Length; i++)
            draft[i] = from + i < _count ? _text[from + i] : draft[from + i - _count]; // a repetition goes on as it did
        return draft.Length;
    }

    private int PlaceOfLast()
    {
        uint hash = 0;
        for (int i = _count - Length; i < _count; i++)
            hash = (hash + (uint)_text[i] + 1) * 0x9E3779B1; // 2^32 divided by the golden ratio: the upper bits are the mixed ones
        return (int)(hash >> (32 - System.Numerics.BitOperations.Log2((uint)_next.Length)));
    }
}
