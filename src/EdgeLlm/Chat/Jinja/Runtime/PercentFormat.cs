using System.Globalization;
using System.Numerics;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>Python's <c>format % arguments</c>.</summary>
internal sealed class PercentFormat
{
    private const int MaximumPrecision = 1_000;

    private readonly Rendering _rendering;
    private readonly StringValue _format;
    private readonly Value _arguments;
    private readonly TextBuilder _text;
    private int _at;
    private int _nextArgument;

    private PercentFormat(Rendering rendering, StringValue format, Value arguments)
    {
        _rendering = rendering;
        _format = format;
        _arguments = arguments;
        _text = new TextBuilder(rendering);
    }

    public static StringValue Apply(Rendering rendering, StringValue format, Value arguments) =>
        new PercentFormat(rendering, format, arguments).Apply();

    private StringValue Apply()
    {
        string source = _format.Text;
        while (_at < source.Length)
        {
            int percent = source.IndexOf('%', _at);
            int end = percent < 0 ? source.Length : percent;
            _text.Append(_format, _at, end - _at);
            _at = end + 1;
            if (percent >= 0) Convert();
        }
        // Only what has no items by key or position must be used up.
        int count = _arguments switch
        {
            ListValue { IsTuple: true } tuple => tuple.Items.Count,
            DictValue or ListValue or RangeValue or UndefinedValue => 0,
            _ => 1,
        };
        if (_nextArgument < count)
            throw _rendering.Fail("not all arguments converted during string formatting");
        return _text.ToValue(_format.IsMarkup);
    }

    private void Convert()
    {
        Value? keyed = Next('(') ? Keyed() : null;
        int flagsAt = _at;
        while (_at < _format.Text.Length && "-+ #0".Contains(_format.Text[_at])) _at++;
        _rendering.AllocateText(_at - flagsAt);
        string flags = _format.Text[flagsAt.._at];
        int width = Number() ?? 0;
        int? precision = Next('.') ? Math.Min(Number() ?? 0, MaximumPrecision) : null;
        while (Next('h') || Next('l') || Next('L')) { }
        if (_at >= _format.Text.Length) throw _rendering.Fail("incomplete format");
        char type = _format.Text[_at++];
        if (type == '%')
        {
            _text.Append("%");
            return;
        }
        StringValue converted = Converted(type, keyed ?? NextArgument(), precision, flags);
        if (_format.IsMarkup) converted = Markup.Escape(_rendering, converted);
        bool isNumber = type is not ('s' or 'r' or 'a' or 'c');
        if (isNumber && !converted.Text.StartsWith('-'))
        {
            string sign = flags.Contains('+') ? "+" : flags.Contains(' ') ? " " : "";
            converted = new StringValue(sign + converted.Text, converted.Marks);
        }
        Pad(converted, width, flags.Contains('-'), isNumber && flags.Contains('0'));
    }

    private StringValue Converted(char type, Value value, int? precision, string flags)
    {
        switch (type)
        {
            case 's' or 'r' or 'a':
                StringValue text = type == 's' ? value.ToText(_rendering) : Repr(value);
                PythonSlice kept = new(0, 1, Math.Min(precision ?? int.MaxValue, text.PointCount(_rendering)));
                return text.Slice(_rendering, kept);
            case 'c':
                if (value is StringValue one && one.PointCount(_rendering) == 1) return one;
                int point = _rendering.ToInt(value);
                return Rune(point);
            case 'd' or 'i' or 'u' or 'o' or 'x' or 'X':
                return new StringValue(IntegerText(Integer(value, type), type, precision ?? 1, flags.Contains('#')));
            case 'e' or 'E' or 'f' or 'F' or 'g' or 'G':
                if (!Numbers.TryFloat(value, out double number)) throw _rendering.Fail($"must be real number, not {value.TypeName}");
                return new StringValue(PythonFloat.Format(number, type, precision ?? 6, flags.Contains('#')));
            default:
                throw _rendering.Fail($"unsupported format character '{type}'");
        }
    }

    private StringValue Rune(int point) => System.Text.Rune.IsValid(point)
        ? new StringValue(new System.Text.Rune(point).ToString())
        : throw _rendering.Fail("%c needs a character");

    private StringValue Repr(Value value)
    {
        TextBuilder text = new(_rendering);
        value.WriteRepr(_rendering, text);
        return text.ToValue().WithUniformMarks();
    }

    private BigInteger Integer(Value value, char type)
    {
        if (Numbers.TryInteger(value, out BigInteger integer)) return integer;
        bool isDecimal = type is 'd' or 'i' or 'u';
        if (isDecimal && value is FloatValue real && double.IsFinite(real.Value)) return new BigInteger(real.Value);
        throw _rendering.Fail($"%{type} format: a number is required, not {value.TypeName}");
    }

    private static string IntegerText(BigInteger value, char type, int digits, bool prefix)
    {
        BigInteger magnitude = BigInteger.Abs(value);
        string text = type switch
        {
            'x' or 'X' => RadixText.Write(magnitude, 16),
            'o' => RadixText.Write(magnitude, 8),
            _ => magnitude.ToString(CultureInfo.InvariantCulture),
        };
        text = text.PadLeft(digits, '0');
        if (prefix && type is ('x' or 'X' or 'o')) text = (type == 'o' ? "0o" : "0x") + text;
        return (value.Sign < 0 ? "-" : "") + (type == 'X' ? text.ToUpperInvariant() : text);
    }

    private void Pad(StringValue value, int width, bool left, bool zeros)
    {
        int missing = width - value.PointCount(_rendering);
        int sign = value.Text.Length > 0 && value.Text[0] is '-' or '+' or ' ' ? 1 : 0;
        if (zeros && !left)
        {
            _text.Append(value, 0, sign);
            _text.Append('0', missing);
            _text.Append(value, sign, value.Text.Length - sign);
            return;
        }
        if (!left) _text.Append(' ', missing);
        _text.Append(value);
        if (left) _text.Append(' ', missing);
    }

    private Value Keyed()
    {
        int close = _format.Text.IndexOf(')', _at);
        if (close < 0) throw _rendering.Fail("incomplete format key");
        if (_arguments is not DictValue mapping) throw _rendering.Fail("format requires a mapping");
        string key = _format.Text[_at..close];
        _at = close + 1;
        return mapping.Find(_rendering, key) ?? throw _rendering.Fail($"the mapping has no key '{key}'");
    }

    private Value NextArgument()
    {
        if (_arguments is not ListValue { IsTuple: true } tuple)
            return _nextArgument++ == 0 ? _arguments : throw _rendering.Fail("not enough arguments for format string");
        return _nextArgument < tuple.Items.Count
            ? tuple.Items[_nextArgument++]
            : throw _rendering.Fail("not enough arguments for format string");
    }

    private int? Number()
    {
        if (Next('*')) return _rendering.ToInt(NextArgument());
        int start = _at;
        while (_at < _format.Text.Length && char.IsAsciiDigit(_format.Text[_at])) _at++;
        if (_at == start) return null;
        return int.TryParse(_format.Text.AsSpan(start, _at - start), out int number) ? number : throw _rendering.Fail("width too big");
    }

    private bool Next(char character)
    {
        if (_at >= _format.Text.Length || _format.Text[_at] != character) return false;
        _at++;
        return true;
    }
}
