namespace EdgeLlm.Speech.Phonemes;

/// <summary>How a text is read.</summary>
public sealed record PhonemizerOptions
{
    /// <summary>Words that are read as the user says, or null.</summary>
    public UserLexicon? Lexicon { get; init; }

    /// <summary>Whether `[word](/phonemes/)` is read as the phonemes say. Otherwise only the word is read, as of any link.</summary>
    public bool Marks { get; init; }

    /// <summary>Receives each run of letters that are left out because the voice does not know their script.</summary>
    public Action<string>? Skipped { get; init; }
}
