using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>
/// Writes what is not words in words: times, dates, money, units, titles, Roman numerals, telephone numbers, fractions, symbols. Each rule
/// goes over the whole sentence in turn.
/// </summary>
internal sealed partial class Normalizer(NormalizationRules rules)
{
    private const string W = Letters.Word, Number = @"\d+(?:,\d\d\d)*(?:\.\d+)?", NotInWord = $"(?<!{W})",
        NotInNumber = @"(?<![\p{L}\p{N}_.])";

    private static readonly Dictionary<char, string> GreekNames = NamesOfGreekLetters();

    /// <summary>A sentence in words; empty where nothing is left.</summary>
    public string Normalize(string text)
    {
        text = Spaces().Replace(text, " ").Trim();
        if (text.Length == 0) return "";
        text = text.Replace('’', '\'').Replace('‒', '-').Replace('―', '—');
        text = ReadAddresses(text);
        text = SpokenDash().Replace(text, " — ");
        text = AndOfRockAndRoll().Replace(text, " and ");
        text = Sharp().Replace(text, "$1 sharp");
        if (ContainsDigit(text))
        {
            text = ReadTimesAndDates(text);
            text = ReadMoneyAndUnits(text);
            text = MonthDay().Replace(text, MonthDayWords);
            text = DayMonth().Replace(text, DayMonthWords);
        }
        text = ReplaceTitles(text);
        text = ReplaceAbbreviations(text);
        if (ContainsDigit(text))
        {
            text = NumberSign()
                .Replace(text, static match => match.Value.StartsWith("Nos", StringComparison.Ordinal) ? "Numbers " : "Number ");
            text = HashBeforeDigit().Replace(text, "number ");
        }
        text = ReadRomanNumerals(text);
        if (ContainsDigit(text)) text = ReadGroupsOfDigits(text);
        return ReplaceSymbols(GreekLetter().Replace(text, static match => $" {GreekNames[match.ValueSpan[0]]} "));
    }

    private static Dictionary<char, string> NamesOfGreekLetters()
    {
        string[] names =
            "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma sigma tau upsilon phi chi psi omega".Split(
                ' ');
        var letters = new Dictionary<char, string>();
        for (int i = 0; i < names.Length; i++) (letters[(char)('Α' + i)], letters[(char)('α' + i)]) = (names[i], names[i]);
        return letters;
    }

    private static bool ContainsDigit(string text) => text.AsSpan().ContainsAnyInRange('0', '9');

    private static int Value(Group digits) => int.Parse(digits.ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture);

    /// <summary>The singular or plural of a pair, by the figure.</summary>
    private static string Plural(ReadOnlySpan<char> number, string pair)
    {
        int line = pair.IndexOf('\n', StringComparison.Ordinal);
        if (line < 0) return pair;
        string plain = number.ToString().Replace(",", "", StringComparison.Ordinal);
        return plain is "1" or "-1" ? pair[..line] : pair[(line + 1)..];
    }

    private string ReplaceTitles(string text)
    {
        var result = new StringBuilder();
        int copied = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (i > 0 && Letters.IsWord(text[i - 1])) continue;
            int length = rules.Titles.LengthAt(text, i, static (text, end) => NameStart(text, end) > 0);
            if (length == 0) continue;
            result.Append(text, copied, i - copied).Append(rules.Titles.Find(text.AsSpan(i, length))).Append(' ');
            copied = NameStart(text, i + length);
            i = copied - 1;
        }
        return copied == 0 ? text : result.Append(text, copied, text.Length - copied).ToString();
    }

    /// <summary>Where the name after a title begins, or 0.</summary>
    private static int NameStart(string text, int end)
    {
        bool hasDot = end < text.Length && text[end] == '.';
        if (hasDot) end++;
        if (end + 1 >= text.Length || text[end] != ' ' || text[end + 1] is < 'A' or > 'Z') return 0;
        bool isLetter = end + 2 == text.Length || !Letters.IsWord(text[end + 2]) && (text[end + 2] != '.' || text[end + 1] >= 'X');
        return isLetter && !hasDot ? 0 : end + 1; // Gen X is no general
    }

    private string ReplaceAbbreviations(string text)
    {
        var result = new StringBuilder();
        int copied = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (i > 0 && (Letters.IsWord(text[i - 1]) || text[i - 1] == '.')) continue;
            int length = rules.Abbreviations.LengthAt(text, i, static (text, end) => end == text.Length || !Letters.IsWord(text[end]));
            if (length == 0) continue;
            result.Append(text, copied, i - copied).Append(rules.Abbreviations.Find(text.AsSpan(i, length)));
            copied = i + length;
            if (copied == text.Length && text[^1] == '.') result.Append('.');
            i = copied - 1;
        }
        return copied == 0 ? text : result.Append(text, copied, text.Length - copied).ToString();
    }

    private string ReplaceSymbols(string text)
    {
        foreach ((string symbol, string words) in rules.Symbols)
        {
            if (!text.Contains(symbol, StringComparison.Ordinal)) continue;
            if (symbol is "=" or "<" or ">" or "~") text = ReplaceBetween(text, symbol[0], words);
            else text = text.Replace(symbol, words.Length == 0 ? " " : $" {words} ", StringComparison.Ordinal);
        }
        text = Spaces().Replace(text, " ");
        return SpacesBeforePunctuation().Replace(text, "$1").Trim();
    }

    /// <summary>A symbol with something on both sides, at most a space away.</summary>
    private static string ReplaceBetween(string text, char symbol, string words)
    {
        var result = new StringBuilder();
        int copied = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != symbol) continue;
            int start = i > copied && text[i - 1] == ' ' ? i - 1 : i, end = i + 1 < text.Length && text[i + 1] == ' ' ? i + 2 : i + 1;
            if (start == 0 || text[start - 1] == ' ' || end >= text.Length || text[end] == ' ') continue;
            result.Append(text, copied, start - copied).Append(' ').Append(words).Append(' ');
            copied = end;
            i = end - 1;
        }
        return copied == 0 ? text : result.Append(text, copied, text.Length - copied).ToString();
    }

    [GeneratedRegex("[Α-Ωα-ω]")]
    private static partial Regex GreekLetter();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();

    [GeneratedRegex(@" +([,;:!?]|\.(?!\d))")]
    private static partial Regex SpacesBeforePunctuation();

    [GeneratedRegex(@"(?<=\S) --? (?=\S)")]
    private static partial Regex SpokenDash();

    [GeneratedRegex(@" '[nN]' ")]
    private static partial Regex AndOfRockAndRoll();

    [GeneratedRegex($@"{NotInWord}([CFGDA])#(?![\p{{L}}\p{{N}}_#])")]
    private static partial Regex Sharp();

    [GeneratedRegex($@"{NotInWord}Nos?\. ?(?=\d)")]
    private static partial Regex NumberSign();

    [GeneratedRegex($@"(?<![\p{{L}}\p{{N}}_&])#(?=\d)")]
    private static partial Regex HashBeforeDigit();
}
