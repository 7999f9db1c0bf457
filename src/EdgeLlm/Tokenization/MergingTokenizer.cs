namespace EdgeLlm.Tokenization;

/// <summary>A tokenizer that merges characters to tokens pair by pair.</summary>
internal abstract class MergingTokenizer : Tokenizer
{
    // A merger that served a longer text than this is not kept: its memory is 8 bytes for each byte of text.
    private const int KeptCapacity = 1 << 16;

    private PairMerger? _idle;

    private protected MergingTokenizer(Vocabulary vocabulary, Defaults defaults)
        : base(vocabulary, defaults)
    {
    }

    /// <summary>The rank of a pair of neighbours, or <see cref="PairMerger.None"/>.</summary>
    private protected abstract uint Rank(ReadOnlySpan<byte> pair, int leftLength);

    /// <summary>Appends ids for a piece that no token stands for.</summary>
    private protected abstract void EncodeUnknown(ReadOnlySpan<byte> piece, List<int> output);

    /// <summary>Appends the ids of a word, which no token crosses the border of.</summary>
    private protected void EncodeWord(ReadOnlySpan<byte> word, PairMerger merger, List<int> output)
    {
        ReadOnlySpan<int> lengths = merger.Merge(word);
        for (int start = 0; start < word.Length; start += lengths[start])
        {
            ReadOnlySpan<byte> piece = word.Slice(start, lengths[start]);
            int id = Vocabulary.FindText(piece);
            if (id >= 0) output.Add(id);
            else EncodeUnknown(piece, output);
        }
    }

    /// <summary>Appends the byte tokens of <paramref name="piece"/>, the unknown token for a byte without one.</summary>
    private protected void EncodeBytes(ReadOnlySpan<byte> piece, List<int> output)
    {
        foreach (byte value in piece)
        {
            int id = Vocabulary.ByteToken(value);
            if (id < 0) id = Vocabulary.FindText([value]);
            if (id >= 0) output.Add(id);
            else if (UnknownId is { } unknown) output.Add(unknown);
        }
    }

    private protected PairMerger RentMerger() => Interlocked.Exchange(ref _idle, null) ?? new PairMerger(Rank);

    private protected void ReturnMerger(PairMerger merger)
    {
        if (merger.Capacity <= KeptCapacity) _idle = merger;
    }
}
