using System.Buffers;
using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;

namespace EdgeLlm.Sampling.Constraints;

/// <summary>
/// JSON in the one form in which keys and constants are written and compared: no white space, shortest escapes, whole numbers without a
/// fraction.
/// </summary>
internal static class JsonText
{
    private const int MostZeros = 400;

    /// <summary>Writes a control character, quote or backslash as its shortest escape.</summary>
    public static void WriteEscaped(byte c, IBufferWriter<byte> output) => output.Write(c switch
    {
        (byte)'"' => "\\\""u8,
        (byte)'\\' => "\\\\"u8,
        (byte)'\n' => "\\n"u8,
        (byte)'\r' => "\\r"u8,
        (byte)'\t' => "\\t"u8,
        (byte)'\b' => "\\b"u8,
        (byte)'\f' => "\\f"u8,
        _ => Encoding.ASCII.GetBytes($"\\u{c:x4}"),
    });

    /// <summary>A text as a string with its quotes.</summary>
    public static byte[] Quoted(string text)
    {
        var output = new ArrayBufferWriter<byte>();
        Write(text, output);
        return output.WrittenSpan.ToArray();
    }

    /// <summary>A value's one form. Members keep their order.</summary>
    public static byte[] Of(JsonElement value)
    {
        var output = new ArrayBufferWriter<byte>();
        Write(value, output);
        return output.WrittenSpan.ToArray();
    }

    /// <summary>A number without exponent, leading or trailing zeros: 1.50e1 is 15. Exponents beyond 400 are left as they are.</summary>
    public static string Number(string raw)
    {
        int e = raw.IndexOfAny(['e', 'E']);
        int exponent = 0;
        if (e >= 0 && !int.TryParse(raw.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent))
            return raw;
        if (Math.Abs(exponent) > MostZeros) return raw;
        string digits = e >= 0 ? raw[..e] : raw;
        bool negative = digits.StartsWith('-');
        if (negative) digits = digits[1..];
        int point = digits.IndexOf('.');
        string whole = point >= 0 ? digits[..point] : digits, fraction = point >= 0 ? digits[(point + 1)..] : "";
        if (exponent > 0)
        {
            fraction = fraction.PadRight(exponent, '0');
            (whole, fraction) = (whole + fraction[..exponent], fraction[exponent..]);
        }
        else if (exponent < 0)
        {
            whole = whole.PadLeft(1 - exponent, '0');
            (whole, fraction) = (whole[..(whole.Length + exponent)], whole[(whole.Length + exponent)..] + fraction);
        }
        whole = whole.TrimStart('0');
        fraction = fraction.TrimEnd('0');
        if (whole.Length == 0) whole = "0";
        string text = fraction.Length > 0 ? $"{whole}.{fraction}" : whole;
        return negative && text != "0" ? "-" + text : text;
    }

    /// <summary>Whether a number in its one form is whole, and which it is.</summary>
    public static bool TryWhole(string number, out BigInteger value) =>
        BigInteger.TryParse(number, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);

    private static void Write(JsonElement value, IBufferWriter<byte> output)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                string before = "{";
                foreach (JsonProperty property in value.EnumerateObject())
                {
                    Raw(before, output);
                    Write(property.Name, output);
                    Raw(":", output);
                    Write(property.Value, output);
                    before = ",";
                }
                Raw(before == "{" ? "{}" : "}", output);
                break;
            case JsonValueKind.Array:
                before = "[";
                foreach (JsonElement item in value.EnumerateArray())
                {
                    Raw(before, output);
                    Write(item, output);
                    before = ",";
                }
                Raw(before == "[" ? "[]" : "]", output);
                break;
            case JsonValueKind.String:
                Write(value.GetString()!, output);
                break;
            case JsonValueKind.Number:
                Raw(Number(value.GetRawText()), output);
                break;
            default:
                Raw(value.GetRawText(), output);
                break;
        }
    }

    private static void Write(string text, IBufferWriter<byte> output)
    {
        output.Write("\""u8);
        foreach (byte c in Encoding.UTF8.GetBytes(text))
        {
            if (c < ' ' || c is (byte)'"' or (byte)'\\') WriteEscaped(c, output);
            else output.Write([c]);
        }
        output.Write("\""u8);
    }

    private static void Raw(string text, IBufferWriter<byte> output) => output.Write(Encoding.ASCII.GetBytes(text));
}
