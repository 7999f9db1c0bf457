using System.Numerics;

namespace EdgeLlm.Tokenization;

/// <summary>Finds the id of a token by its bytes: open addressing over the ids, which are all that it stores.</summary>
internal sealed class TokenIndex
{
    private readonly Utf8Strings _tokens;
    private readonly int[] _slots; // id + 1, or 0
    private readonly int _longest;

    /// <exception cref="TokenizerException">A text stands for two tokens.</exception>
    public TokenIndex(Utf8Strings tokens)
    {
        _tokens = tokens;
        _slots = new int[SlotsFor(tokens.Count)];
        for (int id = 0; id < tokens.Count; id++)
        {
            ReadOnlySpan<byte> token = tokens[id];
            if (token.IsEmpty) continue; // some vocabularies are padded so; such a token cannot be found
            ref int slot = ref Slot(token);
            if (slot != 0) throw new TokenizerException($"tokenizer.ggml.tokens: {slot - 1} and {id} are both '{tokens.GetText(id)}'");
            slot = id + 1;
            _longest = Math.Max(_longest, token.Length);
        }
    }

    /// <summary>The id of the token with these bytes, or -1.</summary>
    public int Find(ReadOnlySpan<byte> token) => token.Length <= _longest ? Slot(token) - 1 : -1;

    /// <summary>A power of two that leaves at least half of the slots empty.</summary>
    public static int SlotsFor(int count) => (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(8, checked(count * 2)));

    private ref int Slot(ReadOnlySpan<byte> token)
    {
        for (int index = (int)ByteHash.Of(token) & _slots.Length - 1; ; index = index + 1 & _slots.Length - 1)
        {
            ref int slot = ref _slots[index];
            if (slot == 0 || _tokens[slot - 1].SequenceEqual(token)) return ref slot;
        }
    }
}
