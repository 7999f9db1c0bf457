using System.Globalization;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>Python's rules of text: its spaces, line ends, order, and quotes.</summary>
internal static class PythonText
{
    /// <summary>Python's <c>str.isspace</c>: Unicode's spaces and the four separators U+001C to U+001F.</summary>
    public static bool IsSpace(char character) => char.IsWhiteSpace(character) || character is >= '\x1c' and <= '\x1f';

    /// <summary>Whether <c>str.splitlines</c> splits at a character.</summary>
    public static bool IsLineBreak(char character) =>
        character is '\n' or '\r' or '\v' or '\f' or (>= '\x1c' and <= '\x1e') or '\x85' or '\u2028' or '\u2029';

    /// <summary>Python's <c>str.isprintable</c> of a code point.</summary>
    public static bool IsPrintable(int point) => point == ' ' || CharUnicodeInfo.GetUnicodeCategory(point) is not
        (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
        or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        or UnicodeCategory.SpaceSeparator);

    /// <summary>Order by code points, which differs from the order of UTF-16 units for surrogates.</summary>
    public static int CompareByPoints(string left, string right)
    {
        int i = left.AsSpan().CommonPrefixLength(right);
        if (i == left.Length || i == right.Length) return left.Length.CompareTo(right.Length);
        bool leftIsSurrogate = char.IsSurrogate(left[i]), rightIsSurrogate = char.IsSurrogate(right[i]);
        return leftIsSurrogate == rightIsSurrogate ? left[i].CompareTo(right[i]) : leftIsSurrogate.CompareTo(rightIsSurrogate);
    }

    /// <summary>Appends Python's <c>repr</c> of a string.</summary>
    public static void WriteQuoted(string value, bool input, TextBuilder text)
    {
        char quote = value.Contains('\'') && !value.Contains('"') ? '"' : '\'';
        text.Append(quote, 1);
        int from = 0;
        for (int i = 0; i < value.Length;)
        {
            int units = char.IsSurrogatePair(value, i) ? 2 : 1;
            int point = units == 2 ? char.ConvertToUtf32(value, i) : value[i];
            string? escape = Escape(point, quote);
            if (escape is not null)
            {
                text.Append(value.AsSpan(from, i - from), input);
                text.Append(escape, input);
                from = i + units;
            }
            i += units;
        }
        text.Append(value.AsSpan(from), input);
        text.Append(quote, 1);
    }

    /// <summary>Text with only its first letter in upper case.</summary>
    public static string Capitalize(string text)
    {
        if (text.Length == 0) return text;
        int units = char.IsSurrogatePair(text, 0) ? 2 : 1;
        return SpecialCasing.ToTitle(text[..units]) + SpecialCasing.ToLower(text[units..]);
    }

    private static string? Escape(int point, char quote) => point switch
    {
        '\\' => @"\\",
        '\n' => @"\n",
        '\r' => @"\r",
        '\t' => @"\t",
        _ when point == quote => "\\" + quote,
        >= ' ' and < 0x7f => null,
        _ when IsPrintable(point) => null,
        <= 0xff => $"\\x{point:x2}",
        <= 0xffff => $"\\u{point:x4}",
        _ => $"\\U{point:x8}",
    };
}
