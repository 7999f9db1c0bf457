using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>Money, units, Roman numerals, telephone numbers, fractions, ranges.</summary>
internal sealed partial class Normalizer
{
    private static readonly Phrases MoreUnits = OurUnits();

    private string ReadMoneyAndUnits(string text)
    {
        text = DecimalComma().Replace(text, "$1.$2");
        text = MoneyBeforeSign().Replace(text, "$2$1");
        text = SignedMoney().Replace(text, "minus $1");
        text = BigMoney()
            .Replace(text, match => $"{match.Groups[2].Value} {BigNumber(match.Groups[3].Value)} {PluralOf(match.Groups[1].ValueSpan)}");
        text = LongMoney().Replace(text, match => $"{match.Groups[2].Value} {PluralOf(match.Groups[1].ValueSpan)}");
        text = MoneyBeforeNoun()
            .Replace(text, match => $"{match.Groups[2].Value} {SingularOf(match.Groups[1].ValueSpan)}{match.Groups[3].Value}");
        text = Cents()
            .Replace(text, match => $"{match.Groups[1].Value} {Plural(match.Groups[1].ValueSpan, rules.Currencies.Find("¢") ?? "cents")}");
        text = OtherMoney().Replace(text, match => match.Groups[3].Success
            ? $"{match.Groups[2].Value} {BigNumber(match.Groups[3].Value)} {PluralOf(match.Groups[1].ValueSpan)}"
            : $"{match.Groups[2].Value} {Plural(match.Groups[2].ValueSpan, rules.Currencies.Find(match.Groups[1].ValueSpan.TrimEnd('.')) ?? match.Groups[1].Value)}");
        text = Degrees().Replace(text, match =>
        {
            string scale = match.Groups[2].Value switch { "C" => " Celsius", "F" => " Fahrenheit", _ => "" };
            return $"{match.Groups[1].Value} {Plural(match.Groups[1].ValueSpan, "degree\ndegrees")}{scale}";
        });
        text = MixedNumber().Replace(text, "$1$2 and ");
        text = FeetAndInches().Replace(text, "$1 foot $2");
        text = Between().Replace(text, "$1 by ");
        text = CommaBetweenNumbers().Replace(text, "$1, ");
        text = VersionNumber().Replace(text, "$1 point $2");
        return ReadUnits(text);
    }

    private string SingularOf(ReadOnlySpan<char> currency)
    {
        string pair = rules.Currencies.Find(currency) ?? currency.ToString();
        int line = pair.IndexOf('\n', StringComparison.Ordinal);
        return line < 0 ? pair : pair[..line];
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
        "b" or "B" or "bn" => "billion",
        "mn" => "million",
        "tn" => "trillion",
        _ => word,
    };

    private string ReadUnits(string text)
    {
        var result = new StringBuilder();
        int copied = 0;
        foreach (Match match in NumberBeforeUnit().Matches(text))
        {
            int unit = match.Index + match.Length;
            if (match.Index < copied) continue;
            (int length, string pair) = UnitAt(text, unit);
            if (length == 0) continue;
            result.Append(text, copied, match.Index - copied)
                .Append(CultureInfo.InvariantCulture, $"{match.Groups[1].Value} {Plural(match.Groups[1].ValueSpan, pair)}");
            copied = unit + length;
        }
        return copied == 0 ? text : result.Append(text, copied, text.Length - copied).ToString();
    }

    /// <summary>The unit at a place, the voice's own or one of ours; the longer.</summary>
    private (int Length, string Pair) UnitAt(string text, int unit)
    {
        int length = rules.Units.LengthAt(text, unit, MayFollowUnit), more = MoreUnits.LengthAt(text, unit, MayFollowUnit);
        if (more > length)
        {
            ReadOnlySpan<char> name = text.AsSpan(unit, more);
            bool needsSpace = name is "s" or "h" or "in"; // 80s are years
            bool isWord = name is "in" && unit + more < text.Length && text[unit + more] is not (',' or '.' or ';' or ')');
            if (!isWord && (!needsSpace || text[unit - 1] == ' ')) return (more, MoreUnits.Find(name)!);
        }
        return length == 0 ? (0, "") : (length, rules.Units.Find(text.AsSpan(unit, length))!);
    }

    private static bool MayFollowUnit(string text, int end) =>
        end == text.Length || !Letters.IsWord(text[end]) && text[end] is not ('/' or '\'' or '’');

    private static Phrases OurUnits()
    {
        var units = new Phrases();
        foreach (string unit in (string[])
        [
            "l liter", "L liter", "m meter", "g gram", "s second", "h hour", "V volt", "W watt", "kV kilovolt", "mV millivolt",
            "mA milliamp", "dB decibel", "t ton", "ha hectare",
            "dm decimeter", "cl centiliter", "µs microsecond", "ns nanosecond", "μs microsecond", "μm micrometer", "kΩ kiloohm", "Ω ohm",
            "MΩ megaohm", "Wh watt hour", "Ah amp hour",
        ])
        {
            int space = unit.IndexOf(' ', StringComparison.Ordinal);
            units.Add(unit[..space], $"{unit[(space + 1)..]}\n{unit[(space + 1)..]}s");
        }
        foreach (string unit in (string[])["KB kilobytes", "kB kilobytes", "MB megabytes", "GB gigabytes", "TB terabytes", "kbit kilobits",
            "Mbit megabits", "Gbit gigabits", "m meters", "km kilometers", "l liters"])
        {
            int space = unit.IndexOf(' ', StringComparison.Ordinal);
            units.Add(unit[..space] + "/s", $"{unit[(space + 1)..]} per second");
        }
        units.Add("in", "inch\ninches");
        units.Add("m/s²", "meters per second squared");
        units.Add("km/h", "kilometers per hour");
        units.Add("m²", "square meter\nsquare meters");
        units.Add("m³", "cubic meter\ncubic meters");
        units.Add("km²", "square kilometer\nsquare kilometers");
        return units;
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
        text = Phone()
            .Replace(text,
                static match => string.Join(", ",
                    match.Value.Split((char[])['-', ' ', '(', ')'], StringSplitOptions.RemoveEmptyEntries)
                        .Select(static digits => string.Join(' ', digits.AsEnumerable()))));
        text = OverNumber().Replace(text, "$1 over $2");
        text = Fraction().Replace(text, static match => FractionWords(Value(match.Groups[1]), Value(match.Groups[2])));
        text = Range().Replace(text, "$1 to $2");
        return PlusBeforeDigit().Replace(text, "plus ");
    }

    private static string FractionWords(int a, int b)
    {
        if (a == b) return a == 50 ? "fifty-fifty" : $"{a} out of {b}";
        if (a == 24 && b == 7) return "twenty-four seven";
        if (a > 0 && a < b && b <= 10)
        {
            if (b == 2) return "one half";
            string part = b switch
            {
                3 => "third",
                4 => "quarter",
                5 => "fifth",
                6 => "sixth",
                7 => "seventh",
                8 => "eighth",
                9 => "ninth",
                _ => "tenth"
            };
            return a == 1 ? $"one {part}" : $"{a} {part}s";
        }
        if (a is >= 1 and <= 12 && b is >= 1 and <= 31 && a < b) return $"{Months[a - 1]} {NumberWords.Ordinal(b)}";
        return $"{a} slash {b}";
    }

    [GeneratedRegex($@"([$£€])({Number}) ?(hundred|thousand|million|billion|trillion|bn|mn|tn|[kKmMbB])(?!{W})")]
    private static partial Regex BigMoney();

    [GeneratedRegex($@"(?<![\p{{L}}\p{{N}}_.,$£€])({Number}) ?([$£€])(?![\p{{L}}\p{{N}}_$£€])")]
    private static partial Regex MoneyBeforeSign();

    [GeneratedRegex(@"(?<![\p{L}\p{N}_])(?:-(?=[$£€]\d)|([$£€])-(?=\d))")]
    private static partial Regex SignedMoney();

    [GeneratedRegex(@"([$£€])(\d+(?:,\d\d\d)*\.\d{3,})(?!\d)")]
    private static partial Regex LongMoney();

    [GeneratedRegex(
        $@"([$£€])(\d+(?:,\d\d\d)*)((?: |-)(?:bill|bills|note|notes|coin|coins|ticket|tickets|fee|fine|deposit|discount|gift|voucher|stamp|stamps)(?!{W}))")]
    private static partial Regex MoneyBeforeNoun();

    [GeneratedRegex(@"(\d) ?(?=[½¼¾])|(?<![\p{L}\p{N}_.,/])(\d{1,3}) (?=[1-9]/[2-9](?!\d))")]
    private static partial Regex MixedNumber();

    [GeneratedRegex("""(?<![\p{L}\p{N}_])(\d{1,2})['’′] ?(\d{1,2})(?:["”″]|'')""")]
    private static partial Regex FeetAndInches();

    [GeneratedRegex($@"(?<=\d)(?<!(?<!\d)0)((?: ?(?:cm|mm|km|m|in|ft))?) ?x ?(?=\d)")]
    private static partial Regex Between();

    [GeneratedRegex(
        @"(?<![\p{L}\p{N}_.,])(\d+),(\d{1,2})(?= ?(?:[%€£$°]|(?:km|cm|mm|m|kg|g|mg|l|ml|MB|GB|TB|h|V|W|kW|kWh)(?![\p{L}\p{N}_])))")]
    private static partial Regex DecimalComma();

    [GeneratedRegex(@"(?<![\p{L}\p{N}_.,$£€])(\d{1,3}),(?=\d{1,2}(?![\d,]))")]
    private static partial Regex CommaBetweenNumbers();

    [GeneratedRegex(
        @"((?<![\p{L}\p{N}_])(?:[Vv]ersion|[Rr]elease|Python|Ubuntu|Debian|Android|iOS|macOS|Windows|firmware|\.NET) \d+)\.([1-9]\d)(?![\d.])")]
    private static partial Regex VersionNumber();

    [GeneratedRegex(@"(?<![\p{L}\p{N}_./])(\d{3})/(\d{2,3})(?![\p{L}\p{N}_/]|\.\d)")]
    private static partial Regex OverNumber();

    [GeneratedRegex($@"{NotInNumber}({Number}) ?¢")]
    private static partial Regex Cents();

    [GeneratedRegex(
        $@"{NotInWord}(¥|₹|₩|Rs\.|Rs|USD|EUR|GBP) ?({Number})(?: ?(hundred|thousand|million|billion|trillion|[kKmMbB])(?!{W}))?")]
    private static partial Regex OtherMoney();

    [GeneratedRegex($@"{NotInNumber}(-?{Number}) ?° ?([CF])?(?!{W})")]
    private static partial Regex Degrees();

    [GeneratedRegex($@"{NotInNumber}(-?{Number}) ?(?=[A-Za-zµμΩ])")]
    private static partial Regex NumberBeforeUnit();

    [GeneratedRegex(
        $@"\G(?=[IVXLC])M{{0,3}}(?:CM|CD|D?C{{0,3}})(?:XC|XL|L?X{{0,3}})(?:IX|IV|V?I{{0,3}})(?!{W})(?!\.{W})(?!['’](?!s(?!{W})){W})")]
    private static partial Regex RomanNumeral();

    [GeneratedRegex($@"(?<![\p{{L}}\p{{N}}_.\-])(?:(?:1-)?\d{{3}}-|\(\d{{3}}\) ?)?\d{{3}}-\d{{4}}(?![\p{{L}}\p{{N}}_\-]|\.\d)")]
    private static partial Regex Phone();

    [GeneratedRegex($@"(?<![\p{{L}}\p{{N}}_./])(\d{{1,2}})/(\d{{1,2}})(?![\p{{L}}\p{{N}}_/]|\.\d)")]
    private static partial Regex Fraction();

    [GeneratedRegex($@"(?<![\p{{L}}\p{{N}}_.\-])(\d{{1,4}}) ?[-–] ?(\d{{1,4}})(?![\p{{L}}\p{{N}}_\-%]|\.\d)")]
    private static partial Regex Range();

    [GeneratedRegex($@"(?<![\p{{L}}\p{{N}}_+])\+(?=\d)")]
    private static partial Regex PlusBeforeDigit();
}
