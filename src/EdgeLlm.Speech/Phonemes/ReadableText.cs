using System.Globalization;
using System.Text;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>
/// Prepares text: characters with a plain form take it (𝗯𝗼𝗹𝗱, ｗｉｄｅ, ﬁ, other digits), control characters become spaces, emoji,
/// variation selectors and control tokens such as `&lt;|im_end|&gt;` are left out in silence, letters of other scripts are left out and
/// counted. What is left is in the basic plane.
/// </summary>
internal static class ReadableText
{
    private const int LongestControlToken = 64;

    private static readonly string[] Ligatures = ["ff", "fi", "fl", "ffi", "ffl", "st", "st"];

    /// <summary>The text that is read.</summary>
    /// <param name="skipped">Receives each run of letters of another script.</param>
    public static string Prepare(string text, Action<string>? skipped = null)
    {
        var result = new StringBuilder(text.Length);
        var run = new StringBuilder();
        for (int i = 0; i < text.Length;)
        {
            if (text[i] == '<' && ControlTokenLength(text, i) is > 0 and int length)
            {
                result.Append(' ');
                i += length;
                continue;
            }
            if (Rune.DecodeFromUtf16(text.AsSpan(i), out Rune rune, out int used) != System.Buffers.OperationStatus.Done)
                rune = new Rune(' ');
            i += used;
            if (IsOtherScript(rune, text, i))
            {
                run.Append(rune);
                continue;
            }
            bool separates = !Rune.IsWhiteSpace(rune);
            if (run.Length > 0 && separates) EndRun(result, run, skipped);
            Append(result, rune);
        }
        EndRun(result, run, skipped);
        return result.ToString();
    }

    /// <summary>
    /// A word as the dictionaries have it: straight apostrophes, ASCII digits and ligatures in letters (what NFKC does to them).
    /// </summary>
    public static string Compose(string word)
    {
        if (Ascii.IsValid(word)) return word;
        var result = new StringBuilder(word.Length);
        foreach (char c in word)
        {
            switch (c)
            {
                case '‘' or '’': result.Append('\''); break;
                case 'ª': result.Append('a'); break;
                case 'º': result.Append('o'); break;
                case '¼': result.Append("1⁄4"); break;
                case '½': result.Append("1⁄2"); break;
                case '¾': result.Append("3⁄4"); break;
                case 'µ': result.Append('μ'); break;
                case >= 'ﬀ' and <= 'ﬆ': result.Append(Ligatures[c - 'ﬀ']); break;
                default:
                    double value = char.IsAscii(c) || !char.IsNumber(c) ? -1 : CharUnicodeInfo.GetNumericValue(c);
                    if (value is >= 0 && value == Math.Floor(value)) result.Append(CultureInfo.InvariantCulture, $"{value}");
                    else result.Append(c);
                    break;
            }
        }
        return result.ToString();
    }

    private static void EndRun(StringBuilder result, StringBuilder run, Action<string>? skipped)
    {
        if (run.Length == 0) return;
        skipped?.Invoke(run.ToString());
        run.Clear();
        result.Append(' ');
    }

    private static int ControlTokenLength(string text, int start)
    {
        if (start + 1 >= text.Length || text[start + 1] != '|') return 0;
        int end = text.IndexOf("|>", start + 2, Math.Min(LongestControlToken, text.Length - start - 2), StringComparison.Ordinal);
        return end < 0 || text.AsSpan(start, end - start).ContainsAny(' ', '\n') ? 0 : end + 2 - start;
    }

    private static bool IsOtherScript(Rune rune, string text, int end)
    {
        if (!Rune.IsLetter(rune)
            && Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.SpacingCombiningMark or UnicodeCategory.NonSpacingMark))
            return false;
        int c = rune.Value;
        bool isLatin = c is < 0x0370 or >= 0x1D00 and < 0x1F00 or >= 0x2100 and < 0x2150 or >= 0x2C60 and < 0x2C80 or >= 0xA720 and < 0xA800
            or >= 0xFB00 and < 0xFB07;
        bool isSelector = c is >= 0xFE00 and < 0xFE10 or >= 0xE0100 and < 0xE01F0;
        bool isStyled = c is >= 0x1D400 and < 0x1D6A4 or >= 0xFF21 and <= 0xFF5A;
        if (isLatin || isSelector || isStyled) return false;
        return !(IsGreek(c) && (end < 2 || !IsGreek(text[end - 2])) && (end == text.Length || !IsGreek(text[end])));
    }

    /// <summary>A Greek letter without an accent: formulas use single ones, which have names.</summary>
    private static bool IsGreek(int c) => c is >= 'Α' and <= 'Ω' or >= 'α' and <= 'ω';

    private static void Append(StringBuilder result, Rune rune)
    {
        int c = rune.Value;
        if (c is '\n' or '\r' or '\t' or ' ') result.Append((char)c);
        else if (Rune.IsControl(rune) || c is 0x2028 or 0x2029 or 0x0085) result.Append(c is 0x2028 or 0x2029 or 0x0085 ? '\n' : ' ');
        else if (c is >= 0xFF01 and <= 0xFF5E) result.Append((char)(c - 0xFF01 + '!'));
        else if (c is >= 0x1D400 and < 0x1D6A4) result.Append("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[(c - 0x1D400) % 52]);
        else if (c is >= 0x1D7CE and <= 0x1D7FF) result.Append((char)('0' + (c - 0x1D7CE) % 10));
        else if (Rune.GetUnicodeCategory(rune) == UnicodeCategory.DecimalDigitNumber)
            result.Append((char)('0' + (int)Rune.GetNumericValue(rune)));
        else if (IsSilent(c)) return;
        else if (c > 0xFFFF) result.Append(' ');
        else if (c is >= 0x0300 and < 0x0370) AppendMark(result, (char)c);
        else result.Append((char)c);
    }

    /// <summary>Emoji, what joins and colours them, and characters without a width.</summary>
    private static bool IsSilent(int c) =>
        c is >= 0x1F000 and < 0x1FB00 or >= 0x2600 and < 0x27C0 or >= 0xFE00 and < 0xFE10 or >= 0xE0000 and < 0xE0200
            or >= 0x200B and <= 0x200F
            or >= 0x2060 and <= 0x206F or >= 0x202A and <= 0x202E or 0xFEFF or 0x00AD or 0x20E3 or >= 0x2B00 and < 0x2C00
            or >= 0xD800 and < 0xE000;

    /// <summary>A letter with a combining mark after it is one character where there is one.</summary>
    private static void AppendMark(StringBuilder result, char mark)
    {
        if (result.Length == 0) return;
        const string marks = "\u0300\u0301\u0302\u0303\u0308\u030A\u0327\u030C";
        const string from = "AEIOUaeiouAEIOUYaeiouyAEIOUaeiouANOanoAEIOUaeiouyAaCcSsZz";
        const string to = "ÀÈÌÒÙàèìòùÁÉÍÓÚÝáéíóúýÂÊÎÔÛâêîôûÃÑÕãñõÄËÏÖÜäëïöüÿÅåÇçŠšŽž";
        ReadOnlySpan<int> starts = [0, 10, 22, 32, 38, 49, 51, 53];
        int kind = marks.IndexOf(mark, StringComparison.Ordinal);
        if (kind < 0) return;
        int end = kind + 1 < starts.Length ? starts[kind + 1] : from.Length;
        int index = from.IndexOf(result[^1], starts[kind], end - starts[kind]);
        if (index >= 0) result[^1] = to[index];
    }
}
