namespace EdgeLlm.Speech.Phonemes;

/// <summary>Kind of pause after a piece of speech; how long it is the caller says.</summary>
public enum SpeechPause
{
    /// <summary>None: the sentence continues in the next piece, or the text ends.</summary>
    None,

    /// <summary>Pause after a sentence or a line.</summary>
    Sentence,

    /// <summary>Pause after a paragraph.</summary>
    Paragraph,
}

/// <summary>A token of a sentence.</summary>
/// <param name="Text">The word or sign.</param>
/// <param name="Tag">Part of speech, in Penn Treebank's tags.</param>
/// <param name="Space">Whether a space follows.</param>
public readonly record struct SpokenToken(string Text, string Tag, bool Space);

/// <summary>Phonemes that are spoken in one go.</summary>
/// <param name="Phonemes">Signs of the voice, at most 400.</param>
/// <param name="Ids">Numbers of the signs for the voice's network, a 0 before and after them.</param>
public sealed record SpokenPiece(string Phonemes, IReadOnlyList<int> Ids);

/// <summary>A sentence as it is spoken.</summary>
public sealed class SpokenSentence
{
    /// <summary>The sentence as it is written, without what is not read.</summary>
    public required string Text { get; init; }

    /// <summary>The sentence in words: numbers, symbols and abbreviations written out.</summary>
    public required string Normalized { get; init; }

    /// <summary>Words and punctuation.</summary>
    public required IReadOnlyList<SpokenToken> Tokens { get; init; }

    /// <summary>The sentence's phonemes.</summary>
    public required string Phonemes { get; init; }

    /// <summary>The phonemes in pieces, one where the sentence is not too long; none where there is nothing to say.</summary>
    public required IReadOnlyList<SpokenPiece> Pieces { get; init; }

    /// <summary>Pause after the sentence.</summary>
    public SpeechPause Pause { get; init; }

    /// <summary>Seconds of silence that the text asks for after the sentence, instead of its pause; null: it does not.</summary>
    public double? Break { get; init; }

    /// <summary>Rate that the text asks for, 0.5 to 2; 1 is the voice's own.</summary>
    public double Rate { get; init; } = 1;
}
