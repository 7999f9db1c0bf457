namespace EdgeLlm.Tokenization;

/// <summary>The ranks of a BPE's merges, found by the bytes of both sides: open addressing over the merges' numbers.</summary>
internal sealed class MergeTable
{
    private readonly Utf8Strings _merges;
    private readonly int[] _slots; // number of the merge + 1, or 0
    private readonly int _longest; // both sides, without the space

    public MergeTable(Utf8Strings merges)
    {
        _merges = merges;
        _slots = new int[TokenIndex.SlotsFor(merges.Count)];
        for (int i = 0; i < merges.Count; i++)
        {
            ReadOnlySpan<byte> merge = merges[i];
            int space = SpaceIn(merge);
            if (space < 0) throw new TokenizerException($"tokenizer.ggml.merges[{i}] is '{merges.GetText(i)}', not two parts with a space between");
            ref int slot = ref Slot(merge[..space], merge[(space + 1)..]);
            if (slot == 0) slot = i + 1; // of two equal merges the first counts
            _longest = Math.Max(_longest, merge.Length - 1);
        }
    }

    /// <summary>How early the pair is merged, 0 first, or <see cref="PairMerger.None"/>.</summary>
    public uint Rank(ReadOnlySpan<byte> pair, int leftLength) =>
        pair.Length <= _longest ? (uint)(Slot(pair[..leftLength], pair[leftLength..]) - 1) : PairMerger.None;

    private ref int Slot(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        for (int index = (int)ByteHash.OfPair(left, right) & _slots.Length - 1; ; index = index + 1 & _slots.Length - 1)
        {
            ref int slot = ref _slots[index];
            if (slot == 0) return ref slot;
            ReadOnlySpan<byte> merge = _merges[slot - 1];
            if (merge.Length == left.Length + right.Length + 1 && merge.StartsWith(left) && merge.EndsWith(right)
                && SpaceIn(merge) == left.Length)
            {
                return ref slot;
            }
        }
    }

    // A part may start with a space, as no part is empty.
    private static int SpaceIn(ReadOnlySpan<byte> merge)
    {
        int space = merge.IsEmpty ? -1 : merge[1..].IndexOf((byte)' ');
        return space < 0 ? -1 : space + 1;
    }
}
