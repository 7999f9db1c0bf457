using System.Buffers;

namespace EdgeLlm.Tokenization;

/// <summary>
/// SentencePiece's BPE, GGUF's <c>llama</c>: the pair is merged first whose token has the highest score; text that is not a token becomes
/// bytes. Spaces are marked, and one is put before the text.
/// </summary>
internal sealed class SentencePieceTokenizer : MergingTokenizer
{
    private readonly bool _wordsStandAlone;

    public SentencePieceTokenizer(Vocabulary vocabulary)
        : base(vocabulary, new Defaults { BosId = 1, EosId = 2, UnknownId = 0, AddBos = true })
    {
        if (vocabulary.Data.Scores is null) throw new TokenizerException("tokenizer.ggml.scores is missing, which the model 'llama' needs");
        HasSpacePrefix = vocabulary.Data.AddSpacePrefix ?? true;
        _wordsStandAlone = !Enumerable.Range(0, vocabulary.Count).Any(id => HasMarkInside(vocabulary[id]));
    }

    private protected override bool HasSpacePrefix { get; }

    private protected override void EncodeText(ReadOnlySpan<byte> text, bool atStart, List<int> output)
    {
        int mark = SpaceMark.Bytes.Length;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(checked((text.Length + 1) * mark));
        int prefix = HasSpacePrefix && atStart ? SpaceMark.Escape(" "u8, buffer) : 0;
        ReadOnlySpan<byte> escaped = buffer.AsSpan(0, prefix + SpaceMark.Escape(text, buffer.AsSpan(prefix)));

        PairMerger merger = RentMerger();
        while (!escaped.IsEmpty)
        {
            ReadOnlySpan<byte> word = _wordsStandAlone ? escaped[..WordLength(escaped)] : escaped;
            if (!EncodeKnown(word, output)) EncodeWord(word, word, merger, output);
            escaped = escaped[word.Length..];
        }
        ReturnMerger(merger);
        ArrayPool<byte>.Shared.Return(buffer);
    }

    private protected override uint Rank(ReadOnlySpan<byte> pair, int leftLength)
    {
        int id = Vocabulary.FindText(pair);
        if (id < 0) return PairMerger.None;
        // The bits of a float in an order that falls as the score rises; + 0 makes -0 the same as 0.
        int bits = BitConverter.SingleToInt32Bits(Vocabulary.ScoreOf(id) + 0f);
        return ~((uint)bits ^ (bits < 0 ? uint.MaxValue : 0x80000000));
    }

    private protected override void EncodeUnknown(ReadOnlySpan<byte> piece, List<int> output) => EncodeBytes(piece, output);

    private protected override void DecodeText(ReadOnlySpan<byte> token, IBufferWriter<byte> output) => SpaceMark.Unescape(token, output);

    /// <summary>Any marks and then what is none.</summary>
    private static int WordLength(ReadOnlySpan<byte> text)
    {
        int start = 0;
        while (text[start..].StartsWith(SpaceMark.Bytes)) start += SpaceMark.Bytes.Length;
        int next = text[start..].IndexOf(SpaceMark.Bytes);
        return next < 0 ? text.Length : start + next;
    }

    /// <summary>Whether a token reaches over the start of a word. Where none does, words can be merged one by one.</summary>
    private static bool HasMarkInside(ReadOnlySpan<byte> token) => !token.IsEmpty && WordLength(token) < token.Length;
}
