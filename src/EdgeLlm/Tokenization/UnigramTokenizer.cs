using System.Buffers;

namespace EdgeLlm.Tokenization;

/// <summary>
/// SentencePiece's Unigram, GGUF's <c>t5</c>: of all ways to write the text in tokens the one with the highest sum of scores (log
/// probabilities), found by Viterbi's algorithm. Text is normalized first.
/// </summary>
internal sealed class UnigramTokenizer : Tokenizer
{
    private const float UnknownPenalty = 10; // below the lowest score, as in SentencePiece

    private readonly PrecompiledCharsmap? _charsmap;
    private readonly bool _mergesSpaces;
    private readonly PrefixIndex _index;
    private readonly int _unknown;
    private readonly double _unknownScore;
    private readonly bool _hasByteTokens;

    public UnigramTokenizer(Vocabulary vocabulary)
        : base(vocabulary, new Defaults { EosId = 1, UnknownId = 2, PaddingId = 0, AddEos = true })
    {
        if (vocabulary.Data.Scores is null) throw new TokenizerException("tokenizer.ggml.scores is missing, which the model 't5' needs");
        _unknown = UnknownId ?? throw new TokenizerException("tokenizer.ggml.unknown_token_id names no token, which the model 't5' needs");
        if (vocabulary.Data.PrecompiledCharsmap is { Length: > 0 } charsmap) _charsmap = new PrecompiledCharsmap(charsmap);
        HasSpacePrefix = vocabulary.Data.AddSpacePrefix ?? true;
        _mergesSpaces = vocabulary.Data.RemoveExtraWhitespaces ?? true;
        _index = new PrefixIndex(vocabulary.Data.Tokens, Enumerable.Range(0, vocabulary.Count).Where(id =>
            vocabulary.TypeOf(id) is TokenType.Normal or TokenType.UserDefined or TokenType.Unused
            && !vocabulary[id].IsEmpty && !vocabulary.IsMarkup(id)));
        _unknownScore = Enumerable.Range(0, vocabulary.Count)
            .Where(id => vocabulary.TypeOf(id) == TokenType.Normal).Select(vocabulary.ScoreOf).DefaultIfEmpty().Min() - UnknownPenalty;
        _hasByteTokens = Enumerable.Range(0, 256).All(value => vocabulary.ByteToken((byte)value) >= 0);
    }

    private protected override bool HasSpacePrefix { get; }

    private protected override void EncodeText(ReadOnlySpan<byte> text, bool atStart, List<int> output)
    {
        ArrayBufferWriter<byte> normalized = new(text.Length + 64);
        Normalize(text, HasSpacePrefix && atStart, normalized);
        ReadOnlySpan<byte> input = normalized.WrittenSpan;

        // The best way to reach each position: its score, the last token and where that starts.
        var scores = new double[input.Length + 1];
        var tokens = new int[input.Length + 1];
        var starts = new int[input.Length + 1];
        scores.AsSpan(1).Fill(double.NegativeInfinity);
        List<int> found = [];
        for (int position = 0; position < input.Length;)
        {
            int width = Utf8.WidthAt(input, position);
            bool characterIsToken = false;
            _index.Find(input[position..], found);
            foreach (int id in found)
            {
                int length = Vocabulary[id].Length;
                characterIsToken |= length == width;
                Reach(position + length, id, Vocabulary.TypeOf(id) == TokenType.UserDefined ? 0 : Vocabulary.ScoreOf(id), position);
            }
            if (!characterIsToken) Reach(position + width, _unknown, _unknownScore, position);
            position += width;
        }

        int first = output.Count;
        bool wasUnknown = false;
        for (int end = input.Length; end > 0; end = starts[end])
        {
            bool isUnknown = tokens[end] == _unknown;
            if (isUnknown && _hasByteTokens)
            {
                for (int i = end - 1; i >= starts[end]; i--) output.Add(Vocabulary.ByteToken(input[i]));
            }
            else if (!isUnknown || !wasUnknown)
            {
                output.Add(tokens[end]);
            }
            wasUnknown = isUnknown;
        }
        output.Reverse(first, output.Count - first);

        void Reach(int position, int token, double score, int from)
        {
            if (scores[from] + score <= scores[position]) return;
            (scores[position], tokens[position], starts[position]) = (scores[from] + score, token, from);
        }
    }

    private protected override void DecodeText(ReadOnlySpan<byte> token, IBufferWriter<byte> output) => SpaceMark.Unescape(token, output);

    /// <summary>Replaces characters by the model's map and marks spaces; if asked, drops those at the ends and all but one of several.</summary>
    private void Normalize(ReadOnlySpan<byte> text, bool marksStart, ArrayBufferWriter<byte> output)
    {
        bool inWord = false;
        bool hasWord = false;
        while (!text.IsEmpty)
        {
            ReadOnlySpan<byte> replacement = default;
            int length = _charsmap is null ? 0 : _charsmap.Match(text, out replacement);
            if (length == 0) replacement = text[..(length = Utf8.WidthAt(text, 0))];
            text = text[length..];
            foreach (byte value in replacement)
            {
                bool isSpace = value == (byte)' ';
                bool startsWord = !isSpace && !inWord;
                bool wantsMark = isSpace ? !_mergesSpaces : startsWord && (hasWord ? _mergesSpaces : marksStart);
                if (wantsMark) output.Write(SpaceMark.Bytes);
                if (!isSpace) output.Write([value]);
                hasWord |= startsWord;
                inWord = !isSpace;
            }
        }
    }
}
