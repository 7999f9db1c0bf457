using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using EdgeLlm.Tokenization.Pipeline;

namespace EdgeLlm.Tokenization;

public abstract partial class Tokenizer
{
    /// <summary>The ids of <paramref name="text"/>; see the overload that appends to a list.</summary>
    public int[] Encode(string text, bool parseSpecial = false, bool addSpecial = false)
    {
        List<int> output = new(text.Length / 4 + 4);
        Encode(text, output, parseSpecial, addSpecial);
        return [.. output];
    }

    /// <summary>Appends the ids of <paramref name="text"/>. A lone surrogate counts as U+FFFD.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="output">Where the ids are appended.</param>
    /// <param name="parseSpecial">Whether control tokens written in the text become those tokens: never for text that a user typed.
    /// Tokens that the model calls user defined are recognized always.</param>
    /// <param name="addSpecial">Whether the tokens that the model wants around a text are added (BOS, EOS; [CLS] and [SEP]).</param>
    public void Encode(ReadOnlySpan<char> text, List<int> output, bool parseSpecial = false, bool addSpecial = false) =>
        Encode(text, parseSpecial, [], output, addSpecial);

    /// <summary>
    /// Appends the ids of <paramref name="text"/> with its control and user-defined tokens parsed, except where one touches a stretch of
    /// <paramref name="literals"/>: a rendered chat template in which the stretches are what a user typed. (User-defined tokens that are
    /// nothing but white space are text, and are recognized there, too.)
    /// </summary>
    public void Encode(ReadOnlySpan<char> text, ReadOnlySpan<Range> literals, List<int> output, bool addSpecial = false)
    {
        var byteLiterals = new (int, int)[literals.Length];
        for (int i = 0; i < literals.Length; i++)
        {
            (int start, int length) = literals[i].GetOffsetAndLength(text.Length);
            int byteStart = Encoding.UTF8.GetByteCount(text[..start]);
            byteLiterals[i] = (byteStart, byteStart + Encoding.UTF8.GetByteCount(text.Slice(start, length)));
        }
        Encode(text, true, byteLiterals, output, addSpecial);
    }

    /// <summary>Appends the ids of one stretch of valid UTF-8 without special tokens.</summary>
    /// <param name="text">Never empty.</param>
    /// <param name="atStart">Whether a space goes before it, where the model marks starts: nothing comes before it, or a special token
    /// (unless
    /// <see cref="TokenizerData.SpacePrefixOnlyFirst"/>).</param>
    /// <param name="output">Where the ids are appended.</param>
    private protected abstract void EncodeText(ReadOnlySpan<byte> text, bool atStart, List<int> output);

    /// <summary>Appends the ids of a whole text: of its special tokens, and of what is between them.</summary>
    private protected virtual void EncodeAll(ReadOnlySpan<byte> text, bool parseSpecial,
        ReadOnlySpan<(int Start, int End)> literals, List<int> output)
    {
        bool atStart = true;
        foreach (SpecialTokens.Fragment fragment in CollectionsMarshal.AsSpan(_specialTokens.Value.Split(text, parseSpecial, literals)))
        {
            if (fragment.Token >= 0) output.Add(fragment.Token);
            else EncodeText(text.Slice(fragment.Start, fragment.Length), atStart, output);
            atStart = fragment.Token >= 0 && !Vocabulary.Data.SpacePrefixOnlyFirst;
        }
    }

    /// <summary>
    /// The ids of two texts as one input of a cross-encoder, with the tokens that the model wants around and between them, and a type for
    /// each id (0: of the first text); null where the tokenizer's file does not say how pairs are put together.
    /// </summary>
    internal (int[] Ids, byte[] Types)? EncodePair(string first, string second)
    {
        if (PairTemplate is not { Count: > 0 } template) return null;
        List<int> ids = [];
        List<byte> types = [];
        foreach (PairItem item in template)
        {
            if (item.Token >= 0) ids.Add(item.Token);
            else Encode(item.Token == PairItem.FirstText ? first : second, ids);
            while (types.Count < ids.Count) types.Add(item.Type);
        }
        return ([.. ids], [.. types]);
    }

    /// <summary>How two texts are put together; empty: the file does not say.</summary>
    private protected virtual IReadOnlyList<PairItem> PairTemplate => [];

    /// <summary>Tokens that <c>addSpecial</c> puts before a text.</summary>
    private protected virtual IReadOnlyList<int> Before => AddsBos && BosId is { } bos ? [bos] : [];

    /// <summary>Tokens that <c>addSpecial</c> puts after a text.</summary>
    private protected virtual IReadOnlyList<int> After => AddsEos && EosId is { } eos ? [eos] : [];

    private void Encode(ReadOnlySpan<char> text, bool parseSpecial, ReadOnlySpan<(int, int)> literals, List<int> output, bool addSpecial)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetByteCount(text));
        ReadOnlySpan<byte> bytes = buffer.AsSpan(0, Encoding.UTF8.GetBytes(text, buffer));
        if (addSpecial) output.AddRange(Before);
        EncodeAll(bytes, parseSpecial, literals, output);
        if (addSpecial) output.AddRange(After);
        ArrayPool<byte>.Shared.Return(buffer);
    }
}
