using System.Globalization;
using System.Numerics;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>Python's <c>format.format(...)</c>.</summary>
internal sealed class BraceFormat
{
    private readonly Rendering _rendering;
    private readonly Arguments _arguments;
    private int _nextArgument;

    private BraceFormat(Rendering rendering, Arguments arguments)
    {
        _rendering = rendering;
        _arguments = arguments;
    }

    public static StringValue Apply(Rendering rendering, StringValue format, Arguments arguments) =>
        new BraceFormat(rendering, arguments).Expand(format, depth: 0);

    private StringValue Expand(StringValue format, int depth)
    {
        if (depth > 1) throw _rendering.Fail("Max string recursion exceeded");
        TextBuilder text = new(_rendering);
        string source = format.Text;
        for (int at = 0; at < source.Length;)
        {
            int brace = source.AsSpan(at).IndexOfAny('{', '}');
            if (brace < 0)
            {
                text.Append(format, at, source.Length - at);
                break;
            }
            brace += at;
            text.Append(format, at, brace - at);
            if (brace + 1 < source.Length && source[brace + 1] == source[brace])
            {
                text.Append(format, brace, 1);
                at = brace + 2;
                continue;
            }
            if (source[brace] == '}') throw _rendering.Fail("Single '}' encountered in format string");
            int close = Close(source, brace + 1);
            StringValue field = Field(format.Slice(_rendering, brace + 1, close - brace - 1), depth);
            text.Append(format.IsMarkup ? Markup.Escape(_rendering, field) : field);
            at = close + 1;
        }
        return text.ToValue(format.IsMarkup);
    }

    private int Close(string source, int at)
    {
        for (int open = 1; at < source.Length; at++)
        {
            open += source[at] == '{' ? 1 : source[at] == '}' ? -1 : 0;
            if (open == 0) return at;
        }
        throw _rendering.Fail("expected '}' before end of string");
    }

    private StringValue Field(StringValue field, int depth)
    {
        string source = field.Text;
        int colon = source.IndexOf(':');
        int nameEnd = colon < 0 ? source.Length : colon;
        char conversion = 's';
        bool isConverted = nameEnd >= 2 && source[nameEnd - 2] == '!';
        if (isConverted) conversion = source[nameEnd -= 1];
        if (isConverted) nameEnd--;
        Value value = Lookup(source[..nameEnd]);
        StringValue spec = colon < 0 ? StringValue.Empty : Expand(field.Slice(_rendering, colon + 1, source.Length - colon - 1), depth + 1);
        if (conversion is 'r' or 'a')
        {
            TextBuilder repr = new(_rendering);
            value.WriteRepr(_rendering, repr);
            value = repr.ToValue().WithUniformMarks();
        }
        else if (isConverted)
        {
            value = value.ToText(_rendering);
        }
        return spec.Text.Length == 0 ? value.ToText(_rendering) : Format(value, spec.Text);
    }

    private Value Lookup(string path)
    {
        _rendering.Step(_arguments.Named.Count);
        int end = path.IndexOfAny(['.', '[']);
        string name = end < 0 ? path : path[..end];
        Value? value = name.Length == 0 ? At(_nextArgument++)
            : int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int position) ? At(position)
            : _arguments.Named.LastOrDefault(pair => pair.Key.Text == name).Value;
        if (value is null) throw _rendering.Fail($"format has no argument '{name}'");
        while (end >= 0 && end < path.Length)
        {
            bool isItem = path[end] == '[';
            int next = isItem ? path.IndexOf(']', end) + 1 : path.IndexOfAny(['.', '['], end + 1);
            if (isItem && next == 0) throw _rendering.Fail("missing ']' in format string");
            string key = path[(end + 1)..(next <= 0 ? path.Length : isItem ? next - 1 : next)];
            bool isIndex = int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out int index);
            value = isItem
                ? Lookups.Item(_rendering, value, isIndex ? IntegerValue.Of(index) : new StringValue(key))
                : Lookups.Attribute(_rendering, value, key);
            end = next;
        }
        return value;
    }

    private Value? At(int position) => position < _arguments.Positional.Count ? _arguments.Positional[position] : null;

    private StringValue Format(Value value, string source)
    {
        FormatSpecification spec = FormatSpecification.Parse(_rendering, source);
        if (!Numbers.IsNumber(value) || spec.Type == 's')
        {
            if (Numbers.IsNumber(value) || spec.Type is not ('\0' or 's')) throw _rendering.Fail($"Unknown format code '{spec.Type}'");
            if (value is not StringValue text) throw _rendering.Fail($"unsupported format string passed to {value.TypeName}.__format__");
            PythonSlice kept = new(0, 1, Math.Min(spec.Precision ?? int.MaxValue, text.PointCount(_rendering)));
            return spec.Align(_rendering, text.Slice(_rendering, kept), '<');
        }
        bool isFloat = value is FloatValue || spec.Type is 'e' or 'E' or 'f' or 'F' or 'g' or 'G' or '%';
        return spec.AlignNumber(_rendering, isFloat ? FloatText(value, spec) : IntegerText(value, spec));
    }

    private string FloatText(Value value, FormatSpecification spec)
    {
        if (!Numbers.TryFloat(value, out double number)) throw _rendering.Fail("int too large to convert to float");
        if (spec.Type != '\0') return PythonFloat.Format(number, spec.Type, spec.Precision ?? 6);
        if (spec.Precision is not int precision) return PythonFloat.Repr(number);
        string text = PythonFloat.Format(number, 'g', precision);
        return double.IsFinite(number) && !text.AsSpan().ContainsAny('.', 'e') ? text + ".0" : text;
    }

    private string IntegerText(Value value, FormatSpecification spec)
    {
        Numbers.TryInteger(value, out BigInteger number);
        BigInteger magnitude = BigInteger.Abs(number);
        string digits = spec.Type switch
        {
            'x' or 'X' => RadixText.Write(magnitude, 16),
            'o' => RadixText.Write(magnitude, 8),
            'b' => RadixText.Write(magnitude, 2),
            'c' => System.Text.Rune.IsValid(_rendering.ToInt(value)) ? new System.Text.Rune((int)magnitude).ToString() : "",
            '\0' or 'd' or 'n' => magnitude.ToString(CultureInfo.InvariantCulture),
            _ => throw _rendering.Fail($"Unknown format code '{spec.Type}' for object of type 'int'"),
        };
        if (spec.Type == 'X') digits = digits.ToUpperInvariant();
        string prefix = spec.HasPrefix && spec.Type is ('x' or 'X' or 'o' or 'b') ? "0" + spec.Type : "";
        return (number.Sign < 0 ? "-" : "") + prefix + digits;
    }
}
