namespace EdgeLlm.Tokenization;

/// <summary>
/// Merges the characters of a text pair by pair, the lowest rank first and the leftmost of equal ones, until no pair has a rank.
/// A queue of pairs and a linked list of the pieces keep that to O(n log n). Symbols are known by the offset that they start at.
/// </summary>
/// <param name="rank">The rank of a pair of neighbours, or <see cref="None"/>.</param>
internal sealed class PairMerger(PairMerger.PairRank rank)
{
    /// <summary>The rank of a pair that is not merged.</summary>
    public const uint None = uint.MaxValue;

    // Up to here looking through all pairs for the lowest rank is quicker than a queue.
    private const int ShortText = 64;

    // Each pair in the queue: how many bytes both had together then, ordered by (rank, where the left one starts).
    private readonly PriorityQueue<int, ulong> _queue = new();
    private int[] _lengths = [];  // of the symbol that starts here; 0 when it was merged away
    private int[] _previous = []; // where the symbol before the one that starts here starts, or -1

    public delegate uint PairRank(ReadOnlySpan<byte> pair, int leftLength);

    /// <summary>How much memory the longest text so far made this keep, in bytes of text.</summary>
    public int Capacity => _lengths.Length;

    /// <summary>Merges <paramref name="text"/>: at each symbol's start in the result is its length.</summary>
    public ReadOnlySpan<int> Merge(ReadOnlySpan<byte> text)
    {
        if (_lengths.Length < text.Length)
        {
            int capacity = (int)Math.Min(Math.Max(256, text.Length * 2L), Array.MaxLength);
            (_lengths, _previous) = (new int[capacity], new int[capacity]);
        }
        if (text.Length <= ShortText)
        {
            MergeShort(text);
            return _lengths.AsSpan(0, text.Length);
        }
        int previous = -1;
        for (int start = 0; start < text.Length; start += _lengths[start])
        {
            _lengths[start] = Utf8.WidthAt(text, start);
            _previous[start] = previous;
            if (previous >= 0) Enqueue(text, previous, start);
            previous = start;
        }
        while (_queue.TryDequeue(out int size, out ulong priority))
        {
            int left = (int)(uint)priority, right = left + _lengths[left];
            if (right == left || right == text.Length || _lengths[left] + _lengths[right] != size) continue; // one of the two has changed
            _lengths[left] = size;
            _lengths[right] = 0;
            int next = left + size;
            if (next < text.Length)
            {
                _previous[next] = left;
                Enqueue(text, left, next);
            }
            if (_previous[left] >= 0) Enqueue(text, _previous[left], left);
        }
        return _lengths.AsSpan(0, text.Length);
    }

    private void MergeShort(ReadOnlySpan<byte> text)
    {
        Span<byte> starts = stackalloc byte[ShortText + 1]; // of each symbol, and the end
        Span<uint> ranks = stackalloc uint[ShortText];      // of symbol i and i + 1
        int count = 0;
        for (int start = 0; start < text.Length; start += Utf8.WidthAt(text, start)) starts[count++] = (byte)start;
        starts[count] = (byte)text.Length;
        for (int i = 0; i + 1 < count; i++) ranks[i] = RankAt(text, starts, i);
        while (count > 1)
        {
            int best = 0;
            for (int i = 1; i < count - 1; i++)
            {
                if (ranks[i] < ranks[best]) best = i;
            }
            if (ranks[best] == None) break;
            starts[(best + 2)..(count + 1)].CopyTo(starts[(best + 1)..]);
            ranks[(best + 1)..(count - 1)].CopyTo(ranks[best..]);
            count--;
            if (best + 1 < count) ranks[best] = RankAt(text, starts, best);
            if (best > 0) ranks[best - 1] = RankAt(text, starts, best - 1);
        }
        for (int i = 0; i < count; i++) _lengths[starts[i]] = starts[i + 1] - starts[i];
    }

    private uint RankAt(ReadOnlySpan<byte> text, ReadOnlySpan<byte> starts, int symbol) =>
        rank(text[starts[symbol]..starts[symbol + 2]], starts[symbol + 1] - starts[symbol]);

    private void Enqueue(ReadOnlySpan<byte> text, int left, int right)
    {
        int leftLength = _lengths[left], size = leftLength + _lengths[right];
        uint pairRank = rank(text.Slice(left, size), leftLength);
        if (pairRank != None) _queue.Enqueue(size, (ulong)pairRank << 32 | (uint)left);
    }
}

/// <summary>Keeps a merger that is not in use, for any thread.</summary>
internal sealed class MergerPool(PairMerger.PairRank rank)
{
    // A merger that served a longer text than this is not kept: its memory is 8 bytes for each byte of text.
    private const int KeptCapacity = 1 << 16;

    private PairMerger? _idle;

    public PairMerger Rent() => Interlocked.Exchange(ref _idle, null) ?? new PairMerger(rank);

    public void Return(PairMerger merger)
    {
        if (merger.Capacity <= KeptCapacity) _idle = merger;
    }
}
