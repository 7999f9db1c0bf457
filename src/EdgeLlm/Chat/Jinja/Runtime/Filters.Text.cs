using System.Text;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

internal static partial class Filters
{
    private const int TruncateLeeway = 5;

    private static StringValue MapText(Rendering rendering, Value input, Arguments arguments, Func<string, string> change)
    {
        arguments.Bind(rendering, "the filter", 0);
        StringValue text = SoftText(rendering, input);
        rendering.AllocateText(text.Text.Length);
        return text.Changed(rendering, change(text.Text));
    }

    private static StringValue Trim(Rendering rendering, Value input, Arguments arguments) =>
        StringMethods.Strip(rendering, SoftText(rendering, input), arguments.Bind(rendering, "trim", 0, "chars")[0],
            left: true, right: true);

    private static StringValue Replace(Rendering rendering, Value input, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "replace", 2, "old", "new", "count");
        int count = values[2] is null or NoneValue ? -1 : rendering.ToInt(values[2]!);
        return StringMethods.Replace(rendering, input.ToText(rendering), values[0]!.ToText(rendering), values[1]!.ToText(rendering), count);
    }

    private static StringValue Join(Rendering rendering, Value input, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "join", 0, "d", "attribute");
        StringValue separator = (values[0] ?? StringValue.Empty).ToText(rendering);
        TextBuilder text = new(rendering);
        IEnumerator<Value> items = rendering.Iterate(input);
        for (bool isFirst = true; items.MoveNext(); isFirst = false)
        {
            if (!isFirst) text.Append(separator);
            Value item = values[1] is null or NoneValue ? items.Current : Lookups.Path(rendering, items.Current, values[1]!);
            text.Append(item.ToText(rendering));
        }
        return text.ToValue();
    }

    private static StringValue Center(Rendering rendering, Value input, Arguments arguments)
    {
        int width = arguments.Bind(rendering, "center", 0, "width")[0] is Value given ? rendering.ToInt(given) : 80;
        return StringMethods.Pad(rendering, SoftText(rendering, input), width, "center", new StringValue(" "));
    }

    private static StringValue Escape(Rendering rendering, Value input, Arguments arguments)
    {
        arguments.Bind(rendering, "escape", 0);
        return Markup.Escape(rendering, SoftText(rendering, input));
    }

    private static StringValue ForceEscape(Rendering rendering, Value input, Arguments arguments)
    {
        arguments.Bind(rendering, "forceescape", 0);
        return Markup.Escape(rendering, input.ToText(rendering));
    }

    private static StringValue Format(Rendering rendering, Value input, Arguments arguments)
    {
        if (arguments.Positional.Count > 0 && arguments.Named.Count > 0)
            throw rendering.Fail("can't handle positional and keyword arguments at the same time");
        DictValue named = new();
        foreach ((StringValue name, Value value) in arguments.Named) named.Set(rendering, name, value);
        Value values = named.IsTrue ? named : new ListValue([.. arguments.Positional], isTuple: true);
        return PercentFormat.Apply(rendering, SoftText(rendering, input), values);
    }

    private static StringValue Indent(Rendering rendering, Value input, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "indent", 0, "width", "first", "blank");
        StringValue indention = values[0] switch
        {
            StringValue text => text,
            Value width => new StringValue(Spaces(rendering, rendering.ToInt(width))),
            null => new StringValue("    "),
        };
        bool first = values[1]?.IsTrue ?? false, blank = values[2]?.IsTrue ?? false;
        StringValue source = rendering.ToString(input);
        // Jinja adds a line break and then splits into lines, so an empty text is one empty line.
        TextBuilder terminated = new(rendering);
        terminated.Append(source);
        terminated.Append("\n");
        List<StringValue> lines = StringMethods.SplitLines(rendering, terminated.ToValue(), keepEnds: false);
        TextBuilder indented = new(rendering);
        for (int i = 0; i < lines.Count; i++)
        {
            if (i > 0) indented.Append("\n");
            if (i == 0 ? first : blank || lines[i].IsTrue) indented.Append(indention);
            indented.Append(lines[i]);
        }
        return indented.ToValue(source.IsMarkup);
    }

    private static Value Truncate(Rendering rendering, Value input, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "truncate", 0, "length", "killwords", "end", "leeway");
        int length = values[0] is null ? 255 : rendering.ToInt(values[0]!);
        StringValue end = values[2] is null ? new StringValue("...") : rendering.ToString(values[2]!);
        int leeway = values[3] is null or NoneValue ? TruncateLeeway : rendering.ToInt(values[3]!);
        int kept = length - end.PointCount(rendering);
        if (kept < 0) throw rendering.Fail($"expected length >= {end.PointCount(rendering)}, got {length}");
        if (leeway < 0) throw rendering.Fail($"expected leeway >= 0, got {leeway}");
        if (input.Length(rendering) <= (long)length + leeway) return input;
        StringValue text = rendering.ToString(input);
        StringValue head = text.Slice(rendering, new PythonSlice(0, 1, kept));
        int space = values[1]?.IsTrue == true ? -1 : head.Text.LastIndexOf(' ');
        TextBuilder truncated = new(rendering);
        truncated.Append(space < 0 ? head : head.Slice(rendering, 0, space));
        truncated.Append(end);
        return truncated.ToValue(text.IsMarkup);
    }

    private static IntegerValue WordCount(Rendering rendering, Value input, Arguments arguments)
    {
        arguments.Bind(rendering, "wordcount", 0);
        StringValue text = SoftText(rendering, input);
        rendering.Step(text.Text.Length >> 2);
        int count = 0;
        bool inWord = false;
        foreach (Rune rune in text.Text.EnumerateRunes())
        {
            bool isWord = TextClasses.IsAlphanumeric(rune) || rune.Value == '_';
            if (isWord && !inWord) count++;
            inWord = isWord;
        }
        return IntegerValue.Of(count);
    }

    /// <summary>Jinja's own title case, whose words begin after a space, a hyphen or an opening bracket.</summary>
    private static string TitleOfWords(string text)
    {
        StringBuilder title = new(text.Length);
        int start = 0;
        for (int i = 0; i <= text.Length; i++)
        {
            bool isBreak = i == text.Length || text[i] is '-' or '(' or '{' or '[' or '<' || PythonText.IsSpace(text[i]);
            if (!isBreak) continue;
            title.Append(PythonText.Capitalize(text[start..i]));
            if (i < text.Length) title.Append(text[i]);
            start = i + 1;
        }
        return title.ToString();
    }
}
