namespace EdgeLlm.Tokenization.Pipeline;

/// <summary>Writes a piece of a text in tokens.</summary>
internal abstract class PieceModel
{
    /// <summary>Appends the ids of a piece, which is not empty. On any thread.</summary>
    public abstract void Encode(ReadOnlySpan<byte> piece, List<int> output);
}

/// <summary>Merges pairs of characters by a list.</summary>
internal sealed class BytePairModel : PieceModel
{
    private readonly Vocabulary _vocabulary;
    private readonly TokenizerPipeline _pipeline;
    private readonly MergerPool _mergers;
    private readonly WordCache _cache = new();

    public BytePairModel(Vocabulary vocabulary, TokenizerPipeline pipeline)
    {
        (_vocabulary, _pipeline) = (vocabulary, pipeline);
        var merges =
            new MergeTable(vocabulary.Data.Merges ?? throw new TokenizerException("tokenizer.ggml.merges is missing, which a BPE needs"));
        _mergers = new MergerPool(merges.Rank);
    }

    public override void Encode(ReadOnlySpan<byte> piece, List<int> output)
    {
        if (_cache.TryGet(piece, output)) return;
        int first = output.Count;
        if (_pipeline.IgnoresMerges && _vocabulary.FindText(piece) is >= 0 and var whole) output.Add(whole);
        else Merge(piece, output);
        _cache.Add(piece, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(output)[first..]);
    }

    private void Merge(ReadOnlySpan<byte> piece, List<int> output)
    {
        PairMerger merger = _mergers.Rent();
        ReadOnlySpan<int> lengths = merger.Merge(piece);
        bool wasUnknown = false;
        for (int start = 0; start < piece.Length; start += lengths[start])
        {
            ReadOnlySpan<byte> token = piece.Slice(start, lengths[start]);
            int id = _vocabulary.FindText(token);
            bool isUnknown = id < 0 && !(_pipeline.FallsBackToBytes && _vocabulary.AddBytes(token, output));
            if (id >= 0) output.Add(id);
            else if (isUnknown && _pipeline.UnknownId is { } unknown && !(wasUnknown && _pipeline.FusesUnknown)) output.Add(unknown);
            wasUnknown = isUnknown;
        }
        _mergers.Return(merger);
    }
}

/// <summary>The likeliest way to write a piece in tokens.</summary>
internal sealed class UnigramPieceModel : PieceModel
{
    private readonly UnigramModel _model;

    public UnigramPieceModel(Vocabulary vocabulary, TokenizerPipeline pipeline)
    {
        if (vocabulary.Data.Scores is null) throw new TokenizerException("tokenizer.ggml.scores is missing, which Unigram needs");
        int unknown = pipeline.UnknownId
            ?? throw new TokenizerException("tokenizer.ggml.unknown_token_id names no token, which Unigram needs");
        _model = new UnigramModel(vocabulary, unknown, pipeline.FallsBackToBytes, id => vocabulary.TypeOf(id) == TokenType.Normal);
    }

    public override void Encode(ReadOnlySpan<byte> piece, List<int> output) => _model.Encode(piece, output);
}

/// <summary>The longest tokens from the left; entries that start a word are marked with ▁, as GGUF has them.</summary>
internal sealed class WordPieceModel : PieceModel
{
    private readonly Vocabulary _vocabulary;
    private readonly PrefixIndex _index;
    private readonly int _unknown;
    private readonly int _longestWord;

    public WordPieceModel(Vocabulary vocabulary, int unknown, int longestWord)
    {
        (_vocabulary, _unknown, _longestWord) = (vocabulary, unknown, longestWord);
        _index = new PrefixIndex(vocabulary.Data.Tokens, Enumerable.Range(0, vocabulary.Count).Where(id =>
            vocabulary.TypeOf(id) is not (TokenType.Control or TokenType.Unknown or TokenType.Byte) && !vocabulary[id].IsEmpty));
    }

    public override void Encode(ReadOnlySpan<byte> piece, List<int> output)
    {
        byte[] word = [.. SpaceMark.Bytes, .. piece];
        int characters = 0;
        for (int i = 0; i < piece.Length; i += Utf8.WidthAt(piece, i)) characters++;
        EncodeMarked(characters <= _longestWord ? word : [], output);
    }

    /// <summary>Appends the ids of a word with its mark; of an empty one the unknown token.</summary>
    public void EncodeMarked(ReadOnlySpan<byte> word, List<int> output)
    {
        List<int> found = [];
        int first = output.Count;
        while (!word.IsEmpty)
        {
            _index.Find(word, found);
            if (found.Count == 0) break;
            output.Add(found[^1]);
            word = word[_vocabulary[found[^1]].Length..];
        }
        if (word.IsEmpty && output.Count > first) return;
        output.RemoveRange(first, output.Count - first);
        output.Add(_unknown);
    }
}
