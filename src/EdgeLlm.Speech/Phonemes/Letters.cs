namespace EdgeLlm.Speech.Phonemes;

/// <summary>
/// Classes of characters as the rules name them. Text is in the basic plane by then (<see cref="ReadableText"/>), so a char is a character.
/// </summary>
internal static class Letters
{
    /// <summary>
    /// Regular expressions: a character of a word, a letter (no decimal digit), an upper and a lower one of Western Europe, an apostrophe.
    /// </summary>
    public const string Word = @"[\p{L}\p{N}_]", Letter = @"[\p{L}\p{Nl}\p{No}]", Upper = "[A-ZÀ-ÖØ-Þ]",
        Lower = "[a-zß-öø-ÿ]", Apostrophe = "['‘’]";

    /// <summary>A letter or number of any kind, or `_`.</summary>
    public static bool IsWord(char c) => char.IsLetter(c) || char.IsNumber(c) || c == '_';

    /// <summary>A letter or a number that is not a decimal digit.</summary>
    public static bool IsLetter(char c) => char.IsLetter(c) || char.IsNumber(c) && !char.IsDigit(c);

    public static bool IsUpper(char c) => c is >= 'A' and <= 'Z' or >= 'À' and <= 'Þ' and not '×';

    public static bool IsLower(char c) => c is >= 'a' and <= 'z' or >= 'ß' and <= 'ÿ' and not '÷';

    /// <summary>Not empty, and all letters.</summary>
    public static bool IsAlphabetic(ReadOnlySpan<char> text)
    {
        foreach (char c in text)
        {
            if (!char.IsLetter(c)) return false;
        }
        return text.Length > 0;
    }

    /// <summary>Whether a text is the lower form of itself (true for one without letters).</summary>
    public static bool EqualsLower(ReadOnlySpan<char> text)
    {
        foreach (char c in text)
        {
            if (char.ToLowerInvariant(c) != c) return false;
        }
        return true;
    }

    /// <summary>
    /// Whether a text is the upper form of itself (true for one without letters; ß is written SS, so never its upper form).
    /// </summary>
    public static bool EqualsUpper(ReadOnlySpan<char> text)
    {
        foreach (char c in text)
        {
            if (char.ToUpperInvariant(c) != c || c == 'ß') return false;
        }
        return true;
    }

    /// <summary>Whether the first character is the upper form of itself and the others are lower.</summary>
    public static bool EqualsCapitalized(ReadOnlySpan<char> text) => EqualsUpper(text[..1]) && EqualsLower(text[1..]);

    /// <summary>First character upper, the others lower.</summary>
    public static string Capitalize(string text) => text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..].ToLowerInvariant();
}
