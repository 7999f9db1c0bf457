using System.Numerics;
using System.Text.Json;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>JSON as the values that Python's <c>json.loads</c> gives.</summary>
internal static class JsonValues
{
    /// <summary>Reads a JSON value.</summary>
    /// <param name="rendering">The rendering.</param>
    /// <param name="element">The value.</param>
    /// <param name="input">Whether its strings, keys included, come from input.</param>
    public static Value Read(Rendering rendering, JsonElement element, bool input)
    {
        int line = rendering.Enter(rendering.Line);
        Value value = element.ValueKind switch
        {
            JsonValueKind.Object => Dict(rendering, element, input),
            JsonValueKind.Array => List(rendering, element, input),
            JsonValueKind.String => Text(rendering, TextOf(rendering, element), input),
            JsonValueKind.Number => Number(rendering, element.GetRawText()),
            JsonValueKind.True => BooleanValue.True,
            JsonValueKind.False => BooleanValue.False,
            _ => NoneValue.Instance,
        };
        rendering.Leave(line);
        return value;
    }

    private static DictValue Dict(Rendering rendering, JsonElement element, bool input)
    {
        DictValue dict = new();
        foreach (JsonProperty property in element.EnumerateObject())
            dict.Set(rendering, Text(rendering, NameOf(rendering, property), input), Read(rendering, property.Value, input));
        return dict;
    }

    private static ListValue List(Rendering rendering, JsonElement element, bool input)
    {
        rendering.AllocateItems(element.GetArrayLength());
        List<Value> items = new(element.GetArrayLength());
        foreach (JsonElement item in element.EnumerateArray()) items.Add(Read(rendering, item, input));
        return new ListValue(items);
    }

    private static StringValue Text(Rendering rendering, string text, bool input)
    {
        rendering.AllocateText(text.Length);
        return new StringValue(text, InputMarks.Of(input));
    }

    /// <summary>The name of a field.</summary>
    public static string NameOf(Rendering rendering, JsonProperty field)
    {
        try
        {
            return field.Name;
        }
        catch (InvalidOperationException)
        {
            throw NoUnicode(rendering);
        }
    }

    private static string TextOf(Rendering rendering, JsonElement element)
    {
        try
        {
            return element.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw NoUnicode(rendering);
        }
    }

    private static ChatTemplateException NoUnicode(Rendering rendering) =>
        rendering.Fail("a string of the input is not valid Unicode (half a surrogate pair, or bytes that are not UTF-8)");

    private static Value Number(Rendering rendering, string text)
    {
        rendering.Step(((long)text.Length * text.Length >> 10) + 1);
        if (text.AsSpan().ContainsAny(".eE"))
            return new FloatValue(double.Parse(text, System.Globalization.CultureInfo.InvariantCulture));
        return RadixText.TryParse(text, 10, out BigInteger integer)
            ? rendering.Integer(integer)
            : throw rendering.Fail("a number of the input has more than 4300 digits");
    }
}
