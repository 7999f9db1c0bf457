namespace EdgeLlm.Tokenization;

/// <summary>
/// The ids of words that were encoded before. Each word has one place, in which the latest stays, so memory is bounded; places are
/// read and written whole, so threads can share it.
/// </summary>
internal sealed class WordCache
{
    /// <summary>Longer words are rare and are not kept.</summary>
    public const int LongestWord = 32;

    private const int Places = 8192;

    private readonly Entry?[] _entries = new Entry?[Places];

    /// <summary>Appends the ids of <paramref name="word"/> if they are known.</summary>
    public bool TryGet(ReadOnlySpan<byte> word, List<int> output)
    {
        if (word.Length > LongestWord || _entries[Place(word)] is not { } entry || !word.SequenceEqual(entry.Word)) return false;
        foreach (int id in entry.Ids) output.Add(id);
        return true;
    }

    public void Add(ReadOnlySpan<byte> word, ReadOnlySpan<int> ids)
    {
        if (word.Length <= LongestWord) _entries[Place(word)] = new Entry(word.ToArray(), ids.ToArray());
    }

    private static int Place(ReadOnlySpan<byte> word) => (int)ByteHash.Of(word) & Places - 1;

    private sealed record Entry(byte[] Word, int[] Ids);
}
