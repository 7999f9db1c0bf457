using System.Numerics;

namespace EdgeLlm.Tokenization;

/// <summary>
/// Finds the id of a token by its bytes: open addressing over the ids, which are all that it stores. Of several entries with one text the
/// last counts, as in llama.cpp and Hugging Face's tokenizers.
/// </summary>
internal sealed class TokenIndex
{
    private readonly Utf8Strings _tokens;
    private readonly ulong[] _slots; // 32 bits of the hash, then id + 1; or 0
    private readonly int _longest;

    public TokenIndex(Utf8Strings tokens)
    {
        _tokens = tokens;
        _slots = new ulong[SlotsFor(tokens.Count)];
        for (int id = 0; id < tokens.Count; id++)
        {
            ReadOnlySpan<byte> token = tokens[id];
            if (token.IsEmpty) continue; // some vocabularies are padded so; such a token cannot be found
            ulong hash = ByteHash.Of(token);
            ref ulong slot = ref Slot(token, hash);
            if (slot != 0)
            {
                Duplicates++;
                FirstDuplicate ??= ((int)slot - 1, id);
            }
            slot = Filled(hash, id);
            _longest = Math.Max(_longest, token.Length);
        }
    }

    /// <summary>Number of entries whose text a later entry has, too.</summary>
    public int Duplicates { get; }

    /// <summary>The ids of the first two entries with the same text.</summary>
    public (int First, int Second)? FirstDuplicate { get; }

    /// <summary>The id of the token with these bytes, or -1.</summary>
    public int Find(ReadOnlySpan<byte> token) => token.Length <= _longest ? (int)Slot(token, ByteHash.Of(token)) - 1 : -1;

    /// <summary>A power of two that leaves at least half of the slots empty.</summary>
    public static int SlotsFor(int count) => (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(8, checked(count * 2)));

    /// <summary>A slot for entry <paramref name="number"/>. Its part of the hash spares most comparisons and their cache misses.</summary>
    public static ulong Filled(ulong hash, int number) => hash & 0xFFFFFFFF_00000000 | (uint)(number + 1);

    private ref ulong Slot(ReadOnlySpan<byte> token, ulong hash)
    {
        for (int index = (int)hash & _slots.Length - 1; ; index = index + 1 & _slots.Length - 1)
        {
            ref ulong slot = ref _slots[index];
            if (slot == 0 || slot >> 32 == hash >> 32 && _tokens[(int)slot - 1].SequenceEqual(token)) return ref slot;
        }
    }
}
