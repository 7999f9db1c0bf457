using System.Globalization;
using System.Numerics;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>Floats as Python writes, rounds and reads them.</summary>
internal static class PythonFloat
{
    private const int MantissaBits = 52;
    private const int ExponentBias = 1075;

    /// <summary>
    /// Python's <c>repr</c>: the shortest digits that read back as the same number, with an exponent where that is below -4 or
    /// above 15.
    /// </summary>
    public static string Repr(double value)
    {
        if (!double.IsFinite(value)) return double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        if (value == 0) return double.IsNegative(value) ? "-0.0" : "0.0";
        string sign = value < 0 ? "-" : "";
        (string digits, int exponent) = ShortestDigits(Math.Abs(value));
        if (exponent is < -4 or > 15)
        {
            string fraction = digits.Length > 1 ? "." + digits[1..] : "";
            return $"{sign}{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        }
        if (exponent < 0) return $"{sign}0.{new string('0', -exponent - 1)}{digits}";
        return digits.Length <= exponent + 1
            ? $"{sign}{digits.PadRight(exponent + 1, '0')}.0"
            : $"{sign}{digits[..(exponent + 1)]}.{digits[(exponent + 1)..]}";
    }

    /// <summary>Python's <c>'%.Nf'</c> of a finite number: exact, ties to even.</summary>
    public static string Fixed(double value, int decimals)
    {
        string digits = RoundScaled(Math.Abs(value), decimals).ToString(CultureInfo.InvariantCulture).PadLeft(decimals + 1, '0');
        string sign = double.IsNegative(value) ? "-" : "";
        return decimals == 0 ? sign + digits : $"{sign}{digits[..^decimals]}.{digits[^decimals..]}";
    }

    /// <summary>Python's <c>round(value, decimals)</c> of a float.</summary>
    public static double Round(double value, int decimals)
    {
        // Beyond these no float has a digit to lose or to keep.
        if (!double.IsFinite(value) || decimals > 330) return value;
        if (decimals < -310) return Math.CopySign(0, value);
        string rounded = $"{RoundScaled(Math.Abs(value), decimals)}e{-decimals}";
        return Math.CopySign(double.Parse(rounded, CultureInfo.InvariantCulture), value);
    }

    /// <summary>A number as the format type says: <c>e</c>, <c>f</c>, <c>g</c> or <c>%</c>, in either case.</summary>
    /// <param name="value">Any float.</param>
    /// <param name="type">The type.</param>
    /// <param name="precision">Digits after the point; of <c>g</c> significant ones. At most 1,000.</param>
    /// <param name="keepZeros">Whether <c>g</c> keeps the zeros at the end.</param>
    public static string Format(double value, char type, int precision, bool keepZeros = false)
    {
        if (!double.IsFinite(value)) return char.IsUpper(type) ? Repr(value).ToUpperInvariant() : Repr(value);
        switch (type)
        {
            case '%':
                return double.IsFinite(value * 100) ? Fixed(value * 100, precision) + "%" : "inf%";
            case 'f' or 'F':
                return Fixed(value, precision);
            case 'e' or 'E':
                string scientific = value.ToString($"E{precision}", CultureInfo.InvariantCulture);
                int e = scientific.IndexOf('E');
                int power = int.Parse(scientific.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
                return $"{scientific[..e]}{type}{(power < 0 ? '-' : '+')}{Math.Abs(power):00}";
            default:
                precision = Math.Max(precision, 1);
                string rounded = Format(value, type == 'G' ? 'E' : 'e', precision - 1);
                int exponentAt = rounded.IndexOfAny(['e', 'E']);
                int exponent = int.Parse(rounded.AsSpan(exponentAt + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
                bool isFixed = exponent >= -4 && exponent < precision;
                string mantissa = isFixed ? Fixed(value, precision - 1 - exponent) : rounded[..exponentAt];
                if (!keepZeros && mantissa.Contains('.')) mantissa = mantissa.TrimEnd('0').TrimEnd('.');
                return isFixed ? mantissa : mantissa + rounded[exponentAt..];
        }
    }

    /// <summary>Python's <c>float(text)</c>.</summary>
    public static bool TryParse(string text, out double value)
    {
        string trimmed = text.AsSpan().Trim().ToString().ToLowerInvariant();
        string unsigned = trimmed.TrimStart('+', '-');
        bool isNegative = trimmed.StartsWith('-');
        if (unsigned is "inf" or "infinity" or "nan" && trimmed.Length - unsigned.Length <= 1)
        {
            value = unsigned == "nan" ? double.NaN : isNegative ? double.NegativeInfinity : double.PositiveInfinity;
            return true;
        }
        value = 0;
        return unsigned.Length > 0 && (char.IsAsciiDigit(unsigned[0]) || unsigned[0] == '.')
            && double.TryParse(trimmed.Replace("_", ""), NumberStyles.Float, CultureInfo.InvariantCulture, out value);
    }

    /// <summary>The shortest digits of a positive number and the power of ten of the first of them.</summary>
    private static (string Digits, int Exponent) ShortestDigits(double value)
    {
        string text = value.ToString("R", CultureInfo.InvariantCulture);
        int e = text.IndexOf('E');
        int power = e < 0 ? 0 : int.Parse(text.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        string mantissa = e < 0 ? text : text[..e];
        int point = mantissa.IndexOf('.');
        string digits = mantissa.Replace(".", "");
        string significant = digits.TrimStart('0');
        int exponent = power + (point < 0 ? mantissa.Length : point) - 1 - (digits.Length - significant.Length);
        return (significant.TrimEnd('0'), exponent);
    }

    /// <summary>value * 10^decimals to the nearest integer, ties to even, of a positive finite number.</summary>
    private static BigInteger RoundScaled(double value, int decimals)
    {
        long bits = BitConverter.DoubleToInt64Bits(value);
        int biased = (int)(bits >> MantissaBits);
        BigInteger numerator = (bits & ((1L << MantissaBits) - 1)) | (biased == 0 ? 0 : 1L << MantissaBits);
        int exponent = Math.Max(biased, 1) - ExponentBias;
        BigInteger denominator = BigInteger.One;
        if (exponent > 0) numerator <<= exponent;
        else denominator <<= -exponent;
        if (decimals > 0) numerator *= BigInteger.Pow(10, decimals);
        else denominator *= BigInteger.Pow(10, -decimals);
        BigInteger quotient = BigInteger.DivRem(numerator, denominator, out BigInteger remainder);
        int half = (remainder << 1).CompareTo(denominator);
        return half > 0 || (half == 0 && !quotient.IsEven) ? quotient + 1 : quotient;
    }
}
