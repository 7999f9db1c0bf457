using System.Text;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>English words of numbers, in letters.</summary>
internal static class NumberWords
{
    /// <summary>Most digits that have words: beyond decillions they are read one by one.</summary>
    public const int MostDigits = 36;

    private static readonly string[] Small =
    [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
        "fourteen", "fifteen", "sixteen",
        "seventeen", "eighteen", "nineteen",
    ];

    private static readonly string[] Tens = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

    private static readonly string[] Scales =
        ["", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion", "septillion", "octillion",
            "nonillion", "decillion"];

    /// <summary>`one thousand, two hundred and thirty-four`.</summary>
    public static string Cardinal(int number) => Cardinal(number.ToString(System.Globalization.CultureInfo.InvariantCulture));

    /// <summary>Words of a number in decimal digits; more than <see cref="MostDigits"/> are read one by one.</summary>
    public static string Cardinal(ReadOnlySpan<char> digits)
    {
        digits = digits.TrimStart('0');
        if (digits.Length == 0) return Small[0];
        var words = new StringBuilder();
        if (digits.Length > MostDigits)
        {
            foreach (char digit in digits) words.Append(words.Length == 0 ? "" : " ").Append(Small[digit - '0']);
            return words.ToString();
        }
        int groups = (digits.Length + 2) / 3;
        for (int group = groups - 1; group >= 0; group--)
        {
            int end = digits.Length - 3 * group,
                value = int.Parse(digits[Math.Max(0, end - 3)..end], System.Globalization.CultureInfo.InvariantCulture);
            if (value == 0) continue;
            if (words.Length > 0) words.Append(group == 0 && value < 100 ? " and " : ", ");
            AppendHundreds(words, value);
            if (group > 0) words.Append(' ').Append(Scales[group]);
        }
        return words.ToString();
    }

    /// <summary>`twenty-first`.</summary>
    public static string Ordinal(int number) => Ordinal(Cardinal(number));

    /// <summary>The ordinal of a cardinal in words.</summary>
    public static string Ordinal(string cardinal)
    {
        int start = cardinal.LastIndexOfAny([' ', '-']) + 1;
        string last = cardinal[start..];
        string ordinal = last switch
        {
            "one" => "first",
            "two" => "second",
            "three" => "third",
            "five" => "fifth",
            "eight" => "eighth",
            "nine" => "ninth",
            "twelve" => "twelfth",
            _ when last.EndsWith('y') => last[..^1] + "ieth",
            _ => last + "th",
        };
        return cardinal[..start] + ordinal;
    }

    /// <summary>A number as a year: `nineteen oh-five`, `two thousand`, `twenty twenty-six`.</summary>
    public static string Year(int number)
    {
        int high = number / 100, low = number % 100;
        if (high == 0 || high % 10 == 0 && low < 10 || high >= 100) return Cardinal(number);
        return $"{Cardinal(high)} {(low == 0 ? "hundred" : low < 10 ? $"oh-{Small[low]}" : Cardinal(low))}";
    }

    private static void AppendHundreds(StringBuilder words, int value)
    {
        if (value >= 100)
        {
            words.Append(Small[value / 100]).Append(" hundred");
            value %= 100;
            if (value == 0) return;
            words.Append(" and ");
        }
        if (value < 20)
        {
            words.Append(Small[value]);
            return;
        }
        words.Append(Tens[value / 10]);
        if (value % 10 != 0) words.Append('-').Append(Small[value % 10]);
    }
}
