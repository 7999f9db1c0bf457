using System.Globalization;
using System.Text;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>Python's classes of characters and texts (<c>str.isdigit</c> and its like).</summary>
internal static class TextClasses
{
    public static bool IsLetter(Rune rune) => Rune.IsLetter(rune);

    public static bool IsDecimal(Rune rune) => Rune.GetUnicodeCategory(rune) == UnicodeCategory.DecimalDigitNumber;

    /// <summary>Decimals, and digits such as superscripts.</summary>
    public static bool IsDigit(Rune rune) =>
        IsDecimal(rune) || (rune.IsBmp && CharUnicodeInfo.GetDigitValue((char)rune.Value) >= 0);

    public static bool IsNumeric(Rune rune) => Rune.GetNumericValue(rune) != -1 || Rune.IsNumber(rune);

    public static bool IsAlphanumeric(Rune rune) => IsLetter(rune) || IsNumeric(rune);

    public static bool IsLower(string text) => HasCase(text, Rune.IsLower, Rune.IsUpper);

    public static bool IsUpper(string text) => HasCase(text, Rune.IsUpper, Rune.IsLower);

    public static bool IsIdentifier(string text)
    {
        bool isFirst = true;
        foreach (Rune rune in text.EnumerateRunes())
        {
            bool isMark = Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark
                or UnicodeCategory.ConnectorPunctuation;
            bool isLetter = Rune.IsLetter(rune) || rune.Value == '_' || Rune.GetUnicodeCategory(rune) == UnicodeCategory.LetterNumber;
            if (!isLetter && (isFirst || !(isMark || IsDecimal(rune)))) return false;
            isFirst = false;
        }
        return !isFirst;
    }

    /// <summary>Whether upper case is at the beginning of words, and nowhere else.</summary>
    public static bool IsTitle(string text)
    {
        bool afterCased = false, hasCased = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            bool isUpper = Rune.IsUpper(rune), isLower = Rune.IsLower(rune);
            if ((isUpper && afterCased) || (isLower && !afterCased)) return false;
            afterCased = isUpper || isLower;
            hasCased |= afterCased;
        }
        return hasCased;
    }

    public static string SwapCase(string text)
    {
        StringBuilder swapped = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
            swapped.Append(Rune.IsUpper(rune) ? SpecialCasing.ToLower(rune.ToString()) : SpecialCasing.ToUpper(rune.ToString()));
        return swapped.ToString();
    }

    /// <summary>Every word, that is every run of letters, with its first letter in upper and the rest in lower case.</summary>
    public static string ToTitle(string text)
    {
        StringBuilder title = new(text.Length);
        bool afterLetter = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            string letter = rune.ToString();
            title.Append(afterLetter ? SpecialCasing.ToLower(letter) : SpecialCasing.ToTitle(letter));
            afterLetter = Rune.IsUpper(rune) || Rune.IsLower(rune);
        }
        return title.ToString();
    }

    private static bool HasCase(string text, Func<Rune, bool> wanted, Func<Rune, bool> other)
    {
        bool found = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (other(rune)) return false;
            found |= wanted(rune);
        }
        return found;
    }
}
