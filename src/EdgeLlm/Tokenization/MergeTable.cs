namespace EdgeLlm.Tokenization;

/// <summary>The ranks of a BPE's merges, found by the bytes of both sides: open addressing over the merges' numbers.</summary>
internal sealed class MergeTable
{
    private readonly Utf8Strings _merges;
    private readonly ulong[] _slots; // as TokenIndex's
    private readonly int _longest; // both sides, without the space

    public MergeTable(Utf8Strings merges)
    {
        _merges = merges;
        _slots = new ulong[TokenIndex.SlotsFor(merges.Count)];
        for (int i = 0; i < merges.Count; i++)
        {
            ReadOnlySpan<byte> merge = merges[i];
            int space = SpaceIn(merge);
            if (space < 0) throw new TokenizerException($"tokenizer.ggml.merges[{i}] is '{merges.GetText(i)}', not two parts with a space between");
            ulong hash = ByteHash.OfPair(merge[..space], merge[(space + 1)..]);
            ref ulong slot = ref Slot(merge[..space], merge[(space + 1)..], hash);
            if (slot == 0) slot = TokenIndex.Filled(hash, i); // of two equal merges the first counts
            _longest = Math.Max(_longest, merge.Length - 1);
        }
    }

    /// <summary>How early the pair is merged, 0 first, or <see cref="PairMerger.None"/>.</summary>
    public uint Rank(ReadOnlySpan<byte> pair, int leftLength)
    {
        if (pair.Length > _longest) return PairMerger.None;
        ReadOnlySpan<byte> left = pair[..leftLength], right = pair[leftLength..];
        return (uint)Slot(left, right, ByteHash.OfPair(left, right)) - 1;
    }

    private ref ulong Slot(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, ulong hash)
    {
        for (int index = (int)hash & _slots.Length - 1; ; index = index + 1 & _slots.Length - 1)
        {
            ref ulong slot = ref _slots[index];
            if (slot == 0 || slot >> 32 == hash >> 32 && IsMerge(_merges[(int)slot - 1], left, right)) return ref slot;
        }
    }

    private static bool IsMerge(ReadOnlySpan<byte> merge, ReadOnlySpan<byte> left, ReadOnlySpan<byte> right) =>
        merge.Length == left.Length + right.Length + 1 && merge.StartsWith(left) && merge.EndsWith(right) && SpaceIn(merge) == left.Length;

    // A part may start with a space, as no part is empty.
    private static int SpaceIn(ReadOnlySpan<byte> merge)
    {
        int space = merge.IsEmpty ? -1 : merge[1..].IndexOf((byte)' ');
        return space < 0 ? -1 : space + 1;
    }
}
