using System.Buffers;
using System.Globalization;
using System.Text;
using EdgeLlm.Tokenization.Pipeline;

namespace EdgeLlm.Tokenization;

/// <summary>
/// BERT's WordPiece, GGUF's <c>bert</c>: words are written in the longest tokens that fit, from the left. In GGUF an entry that starts
/// a word is marked with ▁ and one that continues it has nothing (in vocab.txt the latter has ##).
/// </summary>
internal sealed class WordPieceTokenizer : Tokenizer
{
    private const int LongestWord = 100; // in characters; a longer one is unknown, as in BERT

    private readonly WordPieceModel _model;
    private readonly bool _lowercase, _stripsAccents;

    public WordPieceTokenizer(Vocabulary vocabulary)
        : base(vocabulary, new Defaults { BosId = 101, UnknownId = 100, SeparatorId = 102, AddBos = true, AddSeparator = true })
    {
        int unknown = UnknownId
            ?? throw new TokenizerException("tokenizer.ggml.unknown_token_id names no token, which the model 'bert' needs");
        _lowercase = vocabulary.Data.Lowercase ?? true;
        _stripsAccents = vocabulary.Data.StripAccents ?? _lowercase;
        _model = new WordPieceModel(vocabulary, unknown, LongestWord);
    }

    private protected override bool HasSpacePrefix => true;

    private protected override bool SpacesSpecial => true;

    private protected override IReadOnlyList<int> Before =>
        AddsBos && Vocabulary.InRange(Vocabulary.Data.ClsId, BosId) is { } cls ? [cls] : [];

    private protected override IReadOnlyList<int> After => (AddsSeparator ? SeparatorId : AddsEos ? EosId : null) is { } end ? [end] : [];

    private protected override void EncodeText(ReadOnlySpan<byte> text, bool atStart, List<int> output)
    {
        ArrayBufferWriter<byte> word = new();
        int characters = 0;
        for (int i = 0, width; i < text.Length; i += width)
        {
            width = Utf8.WidthAt(text, i);
            Rune rune = new(Utf8.CodePoint(text, i, width));
            UnicodeCategory category = Rune.GetUnicodeCategory(rune);
            bool isSpace = Rune.IsWhiteSpace(rune);
            bool isWord = IsPunctuation(rune, category) || IsIdeograph(rune.Value);
            if (isSpace || isWord) EndWord();
            if (isSpace || rune.Value is 0 or 0xFFFD) continue;
            if (category is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse) continue;
            if (_stripsAccents)
            {
                if (category == UnicodeCategory.NonSpacingMark) continue;
                rune = Accents.Strip(rune);
            }
            if (word.WrittenCount == 0) word.Write(SpaceMark.Bytes);
            word.Advance((_lowercase ? Rune.ToLowerInvariant(rune) : rune).EncodeToUtf8(word.GetSpan(4)));
            characters++;
            if (isWord) EndWord();
        }
        EndWord();

        void EndWord()
        {
            if (characters > 0) _model.EncodeMarked(characters <= LongestWord ? word.WrittenSpan : [], output);
            word.ResetWrittenCount();
            characters = 0;
        }
    }

    private protected override void DecodeText(ReadOnlySpan<byte> token, IBufferWriter<byte> output) =>
        DecodeWord(token, Vocabulary.Data.CleansUpSpaces, output);

    /// <summary>Writes an entry, with a space before one that starts a word.</summary>
    internal static void DecodeWord(ReadOnlySpan<byte> token, bool cleansUpSpaces, IBufferWriter<byte> output)
    {
        ReadOnlySpan<byte> word = token.StartsWith(SpaceMark.Bytes) ? token[SpaceMark.Bytes.Length..] : [];
        // The reference's "cleanup" joins more, but nothing that a word of WordPiece, which never holds punctuation, could be.
        bool isJoined = cleansUpSpaces && word is [(byte)'.' or (byte)',' or (byte)'!' or (byte)'?'];
        SpaceMark.Unescape(isJoined ? word : token, output);
    }

    private static bool IsPunctuation(Rune rune, UnicodeCategory category) => Rune.IsPunctuation(rune)
        || rune.IsAscii && category is UnicodeCategory.MathSymbol or UnicodeCategory.CurrencySymbol or UnicodeCategory.ModifierSymbol;

    internal static bool IsIdeograph(int codePoint) => codePoint
        is >= 0x3400 and <= 0x4DBF or >= 0x4E00 and <= 0x9FFF or >= 0xF900 and <= 0xFAFF or >= 0x20000 and <= 0x2A6DF
        or >= 0x2A700 and <= 0x2B81F or >= 0x2B820 and <= 0x2CEAF or >= 0x2F800 and <= 0x2FA1F;
}
