using System.Runtime.InteropServices;

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
        List<byte> pair = [];
        for (int i = 0; i < merges.Count; i++)
        {
            ReadOnlySpan<byte> merge = merges[i];
            int space = SpaceIn(merge);
            if (space < 0)
                throw new TokenizerException($"tokenizer.ggml.merges[{i}] is '{merges.GetText(i)}', not a pair with a space between");
            pair.Clear();
            pair.AddRange(merge[..space]);
            pair.AddRange(merge[(space + 1)..]);
            ulong hash = Hash(CollectionsMarshal.AsSpan(pair), space);
            ref ulong slot = ref Slot(CollectionsMarshal.AsSpan(pair), space, hash);
            if (slot == 0) slot = TokenIndex.Filled(hash, i); // of two equal merges the first counts
            _longest = Math.Max(_longest, merge.Length - 1);
        }
    }

    /// <summary>How early the pair is merged, 0 first, or <see cref="PairMerger.None"/>.</summary>
    public uint Rank(ReadOnlySpan<byte> pair, int leftLength) =>
        pair.Length <= _longest ? (uint)Slot(pair, leftLength, Hash(pair, leftLength)) - 1 : PairMerger.None;

    private ref ulong Slot(ReadOnlySpan<byte> pair, int leftLength, ulong hash)
    {
        for (int index = (int)hash & _slots.Length - 1; ; index = index + 1 & _slots.Length - 1)
        {
            ref ulong slot = ref _slots[index];
            if (slot == 0 || slot >> 32 == hash >> 32 && IsMerge(_merges[(int)slot - 1], pair, leftLength)) return ref slot;
        }
    }

    private static bool IsMerge(ReadOnlySpan<byte> merge, ReadOnlySpan<byte> pair, int leftLength) => merge.Length == pair.Length + 1
        && merge.StartsWith(pair[..leftLength]) && merge.EndsWith(pair[leftLength..]) && SpaceIn(merge) == leftLength;

    private static ulong Hash(ReadOnlySpan<byte> pair, int leftLength) => ByteHash.Of(pair) + (ulong)leftLength * 0x9E3779B97F4A7C15;

    // A part may start with a space, as no part is empty.
    private static int SpaceIn(ReadOnlySpan<byte> merge)
    {
        int space = merge.IsEmpty ? -1 : merge[1..].IndexOf((byte)' ');
        return space < 0 ? -1 : space + 1;
    }
}
