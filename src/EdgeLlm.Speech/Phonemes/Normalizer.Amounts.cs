using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>Money, units, Roman numerals, telephone numbers, fractions, ranges.</summary>
internal sealed partial class Normalizer
{
    private string ReadMoneyAndUnits(string text)
    {
        text = BigMoney().Replace(text, match => $"{match.Groups[2].Value} {BigNumber(match.Groups[3].Value)} {PluralOf(match.Groups[1].ValueSpan)}");
        text = Cents().Replace(text, match => $"{match.Groups[1].Value} {Plural(match.Groups[1].ValueSpan, rules.Currencies.Find("¢") ?? "cents")}");
        text = OtherMoney().Replace(text, match => match.Groups[3].Success
            ? $"{match.Groups[2].Value} {BigNumber(match.Groups[3].Value)} {PluralOf(match.Groups[1].ValueSpan)}"
            : $"{match.Groups[2].Value} {Plural(match.Groups[2].ValueSpan, rules.Currencies.Find(match.Groups[1].ValueSpan.TrimEnd('.')) ?? match.Groups[1].Value)}");
        text = Degrees().Replace(text, match =>
        {
            string scale = match.Groups[2].Value switch { "C" => " Celsius", "F" => " Fahrenheit", _ => "" };
            return $"{match.Groups[1].Value} {Plural(match.Groups[1].ValueSpan, "degree\ndegrees")}{scale}";
        });
        return ReadUnits(text);
    }

    private string PluralOf(ReadOnlySpan<char> currency)
    {
        string pair = rules.Currencies.Find(currency.TrimEnd('.')) ?? currency.ToString();
        return pair[(pair.IndexOf('\n', StringComparison.Ordinal) + 1)..];
    }

    private static string BigNumber(string word) => word switch
    {
        "k" or "K" => "thousand",
        "m" or "M" => "million",
        "b" or "B" => "billion",
        _ => word,
    };

    private string ReadUnits(string text)
    {
        var result = new StringBuilder();
        int copied = 0;
        foreach (Match match in NumberBeforeUnit().Matches(text))
        {
            int unit = match.Index + match.Length;
            int length = rules.Units.LengthAt(text, unit, static (text, end) => end == text.Length || !Letters.IsWord(text[end]));
            if (length == 0 || match.Index < copied) continue;
            string pair = rules.Units.Find(text.AsSpan(unit, length))!;
            result.Append(text, copied, match.Index - copied).Append(CultureInfo.InvariantCulture, $"{match.Groups[1].Value} {Plural(match.Groups[1].ValueSpan, pair)}");
            copied = unit + length;
        }
        return copied == 0 ? text : result.Append(text, copied, text.Length - copied).ToString();
    }

    private string ReadRomanNumerals(string text)
    {
        var result = new StringBuilder();
        int copied = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (i > 0 && Letters.IsWord(text[i - 1])) continue;
            bool ordinal = false;
            int length = rules.RomanCardinals.LengthAt(text, i, static (text, end) => end < text.Length && text[end] == ' ');
            if (length == 0)
            {
                length = rules.RomanOrdinals.LengthAt(text, i, static (text, end) => end < text.Length && text[end] == ' ');
                ordinal = true;
            }
            if (length == 0) continue;
            int start = i + length + 1;
            Match numeral = RomanNumeral().Match(text, start);
            if (!numeral.Success || numeral.Length == 0) continue;
            int value = RomanValue(numeral.ValueSpan);
            result.Append(text, copied, start - copied);
            if (ordinal) result.Append("the ").Append(NumberWords.Ordinal(value));
            else result.Append(value);
            copied = start + numeral.Length;
            i = copied - 1;
        }
        return copied == 0 ? text : result.Append(text, copied, text.Length - copied).ToString();
    }

    private static int RomanValue(ReadOnlySpan<char> numeral)
    {
        int total = 0;
        for (int i = 0; i < numeral.Length; i++)
        {
            int value = Digit(numeral[i]);
            total += i + 1 < numeral.Length && Digit(numeral[i + 1]) > value ? -value : value;
        }
        return total;

        static int Digit(char c) => c switch { 'I' => 1, 'V' => 5, 'X' => 10, 'L' => 50, 'C' => 100, 'D' => 500, _ => 1000 };
    }

    private static string ReadGroupsOfDigits(string text)
    {
        text = Phone().Replace(text, static match => string.Join(", ", match.Value.Split('-').Select(static digits => string.Join(' ', digits.AsEnumerable()))));
        text = Fraction().Replace(text, static match => FractionWords(Value(match.Groups[1]), Value(match.Groups[2])));
        text = Range().Replace(text, "$1 to $2");
        return PlusBeforeDigit().Replace(text, "plus ");
    }

    private static string FractionWords(int a, int b)
    {
        if (a > 0 && a < b && b <= 10)
        {
            if (b == 2) return "one half";
            string part = b switch { 3 => "third", 4 => "quarter", 5 => "fifth", 6 => "sixth", 7 => "seventh", 8 => "eighth", 9 => "ninth", _ => "tenth" };
            return a == 1 ? $"one {part}" : $"{a} {part}s";
        }
        if (a is >= 1 and <= 12 && b is >= 1 and <= 31) return $"{Months[a - 1]} {NumberWords.Ordinal(b)}";
        return $"{a} slash {b}";
    }

    [GeneratedRegex($@"([$£€])({Number}) ?(hundred|thousand|million|billion|trillion|[kKmMbB])(?!{W})")]
    private static partial Regex BigMoney();

    [GeneratedRegex($@"{NotInNumber}({Number}) ?¢")]
    private static partial Regex Cents();

    [GeneratedRegex($@"{NotInWord}(¥|₹|₩|Rs\.|Rs|USD|EUR|GBP) ?({Number})(?: ?(hundred|thousand|million|billion|trillion|[kKmMbB])(?!{W}))?")]
    private static partial Regex OtherMoney();

    [GeneratedRegex($@"{NotInNumber}(-?{Number}) ?° ?([CF])?(?!{W})")]
    private static partial Regex Degrees();

    [GeneratedRegex($@"{NotInNumber}(-?{Number}) ?(?=[A-Za-zµ])")]
    private static partial Regex NumberBeforeUnit();

    [GeneratedRegex($@"\G(?=[IVXLC])M{{0,3}}(?:CM|CD|D?C{{0,3}})(?:XC|XL|L?X{{0,3}})(?:IX|IV|V?I{{0,3}})(?!{W})(?![.'’]{W})")]
    private static partial Regex RomanNumeral();

    [GeneratedRegex($@"(?<![\p{{L}}\p{{N}}_.\-])(?:\d{{3}}-)?\d{{3}}-\d{{4}}(?![\p{{L}}\p{{N}}_.\-])")]
    private static partial Regex Phone();

    [GeneratedRegex($@"(?<![\p{{L}}\p{{N}}_./])(\d{{1,2}})/(\d{{1,2}})(?![\p{{L}}\p{{N}}_./])")]
    private static partial Regex Fraction();

    [GeneratedRegex($@"(?<![\p{{L}}\p{{N}}_.\-])(\d{{1,4}}) ?[-–] ?(\d{{1,4}})(?![\p{{L}}\p{{N}}_.\-%])")]
    private static partial Regex Range();

    [GeneratedRegex($@"(?<![\p{{L}}\p{{N}}_+])\+(?=\d)")]
    private static partial Regex PlusBeforeDigit();
}
