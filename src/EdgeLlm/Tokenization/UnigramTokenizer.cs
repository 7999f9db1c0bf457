using System.Buffers;

namespace EdgeLlm.Tokenization;

/// <summary>
/// SentencePiece's Unigram, GGUF's <c>t5</c>: of all ways to write the text in tokens the one with the highest sum of scores (log
/// probabilities), found by Viterbi's algorithm. Text is normalized first.
/// </summary>
internal sealed class UnigramTokenizer : Tokenizer
{
    private readonly PrecompiledCharsmap? _charsmap;
    private readonly bool _mergesSpaces;
    private readonly UnigramModel _model;

    public UnigramTokenizer(Vocabulary vocabulary)
        : base(vocabulary, new Defaults { EosId = 1, UnknownId = 2, PaddingId = 0, AddEos = true })
    {
        if (vocabulary.Data.Scores is null) throw new TokenizerException("tokenizer.ggml.scores is missing, which the model 't5' needs");
        int unknown = UnknownId
            ?? throw new TokenizerException("tokenizer.ggml.unknown_token_id names no token, which the model 't5' needs");
        if (vocabulary.Data.PrecompiledCharsmap is { Length: > 0 } charsmap) _charsmap = new PrecompiledCharsmap(charsmap);
        HasSpacePrefix = vocabulary.Data.AddSpacePrefix ?? true;
        _mergesSpaces = vocabulary.Data.RemoveExtraWhitespaces ?? true;
        _model = new UnigramModel(vocabulary, unknown, fallsBackToBytes: true, id =>
            vocabulary.TypeOf(id) is TokenType.Normal or TokenType.UserDefined or TokenType.Unused && !vocabulary.IsMarkup(id));
    }

    private protected override bool HasSpacePrefix { get; }

    private protected override void EncodeText(ReadOnlySpan<byte> text, bool atStart, List<int> output)
    {
        ArrayBufferWriter<byte> normalized = new(text.Length + 64);
        Normalize(text, HasSpacePrefix && atStart, normalized);
        _model.Encode(normalized.WrittenSpan, output);
    }

    private protected override void DecodeText(ReadOnlySpan<byte> token, IBufferWriter<byte> output) => SpaceMark.Unescape(token, output);

    /// <summary>
    /// Replaces characters by the model's map and marks spaces; if asked, drops those at the ends and all but one of several.
    /// </summary>
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
