using System.Globalization;
using System.Numerics;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>Integers in bases other than ten.</summary>
internal static class RadixText
{
    /// <summary>A number that is not negative, in base 2, 8 or 16.</summary>
    public static string Write(BigInteger value, int radix)
    {
        string text = radix switch
        {
            16 => value.ToString("x", CultureInfo.InvariantCulture),
            2 => value.ToString("b", CultureInfo.InvariantCulture),
            _ => Octal(value),
        };
        string trimmed = text.TrimStart('0');
        return trimmed.Length == 0 ? "0" : trimmed;
    }

    /// <summary>Python's <c>int(text, radix)</c> of at most 4,300 digits.</summary>
    public static bool TryParse(string text, int radix, out BigInteger value)
    {
        value = BigInteger.Zero;
        ReadOnlySpan<char> digits = text.AsSpan().Trim();
        bool isNegative = digits.StartsWith("-");
        if (isNegative || digits.StartsWith("+")) digits = digits[1..];
        if (digits.Length > 2 && digits[0] == '0' && PrefixRadix(digits[1]) is int prefixed && (prefixed == radix || radix == 0))
        {
            digits = digits[2..];
            radix = prefixed;
            if (digits[0] == '_') digits = digits[1..];
        }
        if (radix == 0) radix = 10;
        if (digits.IsEmpty || digits.Length > 4300 || digits[0] == '_' || digits[^1] == '_' || digits.IndexOf("__") >= 0) return false;
        foreach (char digit in digits)
        {
            if (digit == '_') continue;
            int number = char.IsAsciiLetter(digit) ? char.ToLowerInvariant(digit) - 'a' + 10
                : char.IsDigit(digit) ? (int)char.GetNumericValue(digit) : radix;
            if (number >= radix) return false;
            value = value * radix + number;
        }
        if (isNegative) value = -value;
        return true;
    }

    private static int? PrefixRadix(char letter) => letter switch
    {
        'x' or 'X' => 16,
        'o' or 'O' => 8,
        'b' or 'B' => 2,
        _ => null,
    };

    /// <summary>Three bits a digit, from the last one.</summary>
    private static string Octal(BigInteger value)
    {
        byte[] bytes = value.ToByteArray(isUnsigned: true);
        char[] digits = new char[(bytes.Length * 8 + 2) / 3];
        for (int i = 0; i < digits.Length; i++)
        {
            int bit = 3 * i, low = bytes[bit >> 3], high = (bit >> 3) + 1 < bytes.Length ? bytes[(bit >> 3) + 1] : 0;
            digits[^(i + 1)] = (char)('0' + ((low | high << 8) >> (bit & 7) & 7));
        }
        return new string(digits);
    }
}
