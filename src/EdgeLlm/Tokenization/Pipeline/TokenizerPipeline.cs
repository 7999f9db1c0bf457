namespace EdgeLlm.Tokenization.Pipeline;

/// <summary>How a pipeline writes pieces in tokens.</summary>
internal enum PieceModelKind
{
    /// <summary>Merges pairs by a list.</summary>
    BytePair,

    /// <summary>The likeliest tokens.</summary>
    Unigram,

    /// <summary>The longest tokens from the left.</summary>
    WordPiece,
}

/// <summary>A token that is looked for in a text before anything else.</summary>
/// <param name="IsSingleWord">Whether it is one only between characters that no words have.</param>
/// <param name="StripsLeft">Whether the white space before it belongs to it.</param>
/// <param name="StripsRight">Whether the white space after it belongs to it.</param>
/// <param name="IsNormalized">Whether it is looked for in the normalized text, and not in the text itself.</param>
internal readonly record struct AddedToken(int Id, bool IsSingleWord, bool StripsLeft, bool StripsRight, bool IsNormalized);

/// <summary>A part of two texts that are put together: a token, or one of the texts.</summary>
/// <param name="Token">The token's id, <see cref="FirstText"/> or <see cref="SecondText"/>.</param>
/// <param name="Type">The type that its tokens have.</param>
internal readonly record struct PairItem(int Token, byte Type)
{
    public const int FirstText = -1, SecondText = -2;
}

/// <summary>
/// A tokenizer as Hugging Face's tokenizer.json describes it: steps that normalize a text, cut it into pieces, write these in tokens and
/// those as text. As plain data; vocabulary and merges are in <see cref="TokenizerData"/>.
/// </summary>
internal sealed record TokenizerPipeline
{
    /// <summary>The description, which a GGUF file keeps.</summary>
    public required string Json { get; init; }

    public required PieceModelKind Model { get; init; }

    public IReadOnlyList<Normalizer> Normalizers { get; init; } = [];

    public IReadOnlyList<PieceStep> Steps { get; init; } = [];

    public PieceDecoder Decoder { get; init; } = new();

    public IReadOnlyList<AddedToken> AddedTokens { get; init; } = [];

    /// <summary>Tokens that the model wants before a text.</summary>
    public IReadOnlyList<int> Before { get; init; } = [];

    /// <summary>Tokens that the model wants after a text.</summary>
    public IReadOnlyList<int> After { get; init; } = [];

    /// <summary>How two texts are put together; empty: it is not said.</summary>
    public IReadOnlyList<PairItem> Pair { get; init; } = [];

    /// <summary>Whether a piece that is a token is taken as it is, whatever the merges say.</summary>
    public bool IgnoresMerges { get; init; }

    /// <summary>Whether a character without a token is written in the tokens of its bytes, where there are all of them.</summary>
    public bool FallsBackToBytes { get; init; }

    /// <summary>Whether unknown characters that follow each other become one unknown token.</summary>
    public bool FusesUnknown { get; init; }

    /// <summary>The token of what is unknown; null: it is left out.</summary>
    public int? UnknownId { get; init; }

    /// <summary>Of WordPiece: the most characters of a word that is known.</summary>
    public int LongestWord { get; init; } = 100;
}
