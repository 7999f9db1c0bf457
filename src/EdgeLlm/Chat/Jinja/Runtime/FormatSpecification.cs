using System.Globalization;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>Python's format specification: <c>[[fill]align][sign][#][0][width][grouping][.precision][type]</c>.</summary>
internal sealed record FormatSpecification
{
    private const int MaximumPrecision = 1_000;

    public StringValue Fill { get; private init; } = new(" ");
    public char Alignment { get; private init; }
    public char Sign { get; private init; }
    public bool HasPrefix { get; private init; }
    public int Width { get; private init; }
    public char Grouping { get; private init; }
    public int? Precision { get; private init; }
    public char Type { get; private init; }

    public static FormatSpecification Parse(Rendering rendering, string source)
    {
        int at = 0;
        string fill = " ";
        char alignment = '\0';
        int fillUnits = source.Length > 1 && char.IsSurrogatePair(source, 0) ? 2 : 1;
        if (source.Length > fillUnits && source[fillUnits] is '<' or '>' or '^' or '=')
        {
            fill = source[..fillUnits];
            alignment = source[fillUnits];
            at = fillUnits + 1;
        }
        else if (source[0] is '<' or '>' or '^' or '=')
        {
            alignment = source[at++];
        }
        char sign = Take("+- ");
        bool hasPrefix = Take("#") != '\0';
        if (Take("0") != '\0' && alignment == '\0') (fill, alignment) = ("0", '=');
        int width = Number() ?? 0;
        char grouping = Take(",_");
        int? precision = Take(".") != '\0' ? Math.Min(Number() ?? throw Invalid(), MaximumPrecision) : null;
        char type = at < source.Length ? source[at++] : '\0';
        if (at < source.Length) throw Invalid();
        return new FormatSpecification
        {
            Fill = new StringValue(fill),
            Alignment = alignment,
            Sign = sign,
            HasPrefix = hasPrefix,
            Width = width,
            Grouping = grouping,
            Precision = precision,
            Type = type,
        };

        char Take(string any) => at < source.Length && any.Contains(source[at]) ? source[at++] : '\0';

        int? Number()
        {
            int start = at;
            while (at < source.Length && char.IsAsciiDigit(source[at])) at++;
            if (at == start) return null;
            return int.TryParse(source.AsSpan(start, at - start), CultureInfo.InvariantCulture, out int number) ? number : throw Invalid();
        }

        ChatTemplateException Invalid() => rendering.Fail($"Invalid format specifier '{source}'");
    }

    /// <summary>Fills a text up to the width.</summary>
    public StringValue Align(Rendering rendering, StringValue text, char absent)
    {
        int missing = Width - text.PointCount(rendering);
        if (missing <= 0) return text;
        char alignment = Alignment == '\0' ? absent : Alignment;
        int left = alignment switch { '<' => 0, '^' => missing / 2, _ => missing };
        TextBuilder aligned = new(rendering);
        aligned.Append(Fill, left);
        aligned.Append(text);
        aligned.Append(Fill, missing - left);
        return aligned.ToValue(text.IsMarkup);
    }

    /// <summary>Groups the digits of a number, gives it its sign, and fills it up to the width.</summary>
    public StringValue AlignNumber(Rendering rendering, string number)
    {
        bool isNegative = number.StartsWith('-');
        string sign = isNegative ? "-" : Sign is '+' or ' ' ? Sign.ToString() : "";
        string digits = Group(isNegative ? number[1..] : number);
        if (Alignment != '=') return Align(rendering, new StringValue(sign + digits), '>');
        int missing = Width - sign.Length - digits.Length;
        TextBuilder aligned = new(rendering);
        aligned.Append(sign);
        aligned.Append(Fill, missing);
        aligned.Append(digits);
        return aligned.ToValue();
    }

    private string Group(string number)
    {
        if (Grouping == '\0') return number;
        int whole = 0;
        while (whole < number.Length && char.IsAsciiDigit(number[whole])) whole++;
        for (int at = whole - 3; at > 0; at -= 3) number = number.Insert(at, Grouping.ToString());
        return number;
    }
}
