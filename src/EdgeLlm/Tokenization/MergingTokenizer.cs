using System.Runtime.InteropServices;

namespace EdgeLlm.Tokenization;

/// <summary>A tokenizer that merges characters to tokens pair by pair.</summary>
internal abstract class MergingTokenizer : Tokenizer
{
    private readonly WordCache _cache = new();
    private readonly MergerPool _mergers;

    private protected MergingTokenizer(Vocabulary vocabulary, Defaults defaults)
        : base(vocabulary, defaults) => _mergers = new MergerPool(Rank);

    /// <summary>The rank of a pair of neighbours, or <see cref="PairMerger.None"/>.</summary>
    private protected abstract uint Rank(ReadOnlySpan<byte> pair, int leftLength);

    /// <summary>Appends ids for a piece that no token stands for.</summary>
    private protected abstract void EncodeUnknown(ReadOnlySpan<byte> piece, List<int> output);

    /// <summary>Appends the ids of a word if it was encoded before.</summary>
    private protected bool EncodeKnown(ReadOnlySpan<byte> word, List<int> output) => _cache.TryGet(word, output);

    /// <summary>Appends the ids of a word, which no token crosses the border of.</summary>
    /// <param name="word">As it is in the text.</param>
    /// <param name="spelled">As merges and tokens spell it.</param>
    /// <param name="merger">A rented one.</param>
    /// <param name="output">Where the ids are appended.</param>
    private protected void EncodeWord(ReadOnlySpan<byte> word, ReadOnlySpan<byte> spelled, PairMerger merger, List<int> output)
    {
        int first = output.Count;
        ReadOnlySpan<int> lengths = merger.Merge(spelled);
        for (int start = 0; start < spelled.Length; start += lengths[start])
        {
            ReadOnlySpan<byte> piece = spelled.Slice(start, lengths[start]);
            int id = Vocabulary.FindText(piece);
            if (id >= 0) output.Add(id);
            else EncodeUnknown(piece, output);
        }
        _cache.Add(word, CollectionsMarshal.AsSpan(output)[first..]);
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

    private protected PairMerger RentMerger() => _mergers.Rent();

    private protected void ReturnMerger(PairMerger merger) => _mergers.Return(merger);
}
