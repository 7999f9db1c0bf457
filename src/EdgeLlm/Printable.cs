using System.Globalization;
using System.Text;

namespace EdgeLlm;

/// <summary>Text out of files and from the network, made fit for one line of a terminal, a log or a message.</summary>
internal static class Printable
{
    /// <summary>Control characters and invisible ones (which can move the cursor or turn the direction of text) become escapes.</summary>
    public static string Line(string text)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange(' ', '~')) return text;
        var line = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            switch (rune.Value)
            {
                case '\n': line.Append("\\n"); break;
                case '\t': line.Append("\\t"); break;
                case '\r': line.Append("\\r"); break;
                default:
                    UnicodeCategory category = Rune.GetUnicodeCategory(rune);
                    bool hidden = category is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator
                        or UnicodeCategory.ParagraphSeparator;
                    if (hidden) line.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}");
                    else line.Append(rune);
                    break;
            }
        }
        return line.ToString();
    }

    /// <summary>The text as one printable line, at most <paramref name="length"/> characters and `...`.</summary>
    public static string Line(string text, int length) =>
        text.Length <= length ? Line(text) : Line(text[..(char.IsHighSurrogate(text[length - 1]) ? length - 1 : length)]) + "...";
}
