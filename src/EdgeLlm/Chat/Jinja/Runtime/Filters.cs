using System.Collections.Frozen;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>Function after <c>|</c>.</summary>
internal delegate Value Filter(Rendering rendering, Value input, Arguments arguments);

/// <summary>
/// Jinja's built-in filters, and <c>tojson</c> as Hugging Face overrides it. Left out are those for web pages and for debugging:
/// filesizeformat, pprint, random, striptags, urlencode, urlize, wordwrap, xmlattr.
/// </summary>
internal static partial class Filters
{
    private static readonly FrozenDictionary<string, Filter> All = new Dictionary<string, Filter>
    {
        ["abs"] = Absolute,
        ["attr"] = Attribute,
        ["batch"] = Batch,
        ["capitalize"] = (rendering, input, arguments) => MapText(rendering, input, arguments, PythonText.Capitalize),
        ["center"] = Center,
        ["count"] = Length,
        ["d"] = Default,
        ["default"] = Default,
        ["dictsort"] = DictSort,
        ["e"] = Escape,
        ["escape"] = Escape,
        ["first"] = First,
        ["float"] = ToFloat,
        ["forceescape"] = ForceEscape,
        ["format"] = Format,
        ["groupby"] = GroupBy,
        ["indent"] = Indent,
        ["int"] = ToInteger,
        ["items"] = Items,
        ["join"] = Join,
        ["last"] = Last,
        ["length"] = Length,
        ["list"] = ToList,
        ["lower"] = (rendering, input, arguments) => MapText(rendering, input, arguments, SpecialCasing.ToLower),
        ["map"] = Map,
        ["max"] = (rendering, input, arguments) => Extreme(rendering, input, arguments, sign: 1),
        ["min"] = (rendering, input, arguments) => Extreme(rendering, input, arguments, sign: -1),
        ["reject"] = (rendering, input, arguments) => Select(rendering, input, arguments, byAttribute: false, keep: false),
        ["rejectattr"] = (rendering, input, arguments) => Select(rendering, input, arguments, byAttribute: true, keep: false),
        ["replace"] = Replace,
        ["reverse"] = Reverse,
        ["round"] = Round,
        ["safe"] = (rendering, input, arguments) => Bound(rendering, arguments, "safe", input.ToText(rendering).AsMarkup(true)),
        ["select"] = (rendering, input, arguments) => Select(rendering, input, arguments, byAttribute: false, keep: true),
        ["selectattr"] = (rendering, input, arguments) => Select(rendering, input, arguments, byAttribute: true, keep: true),
        ["slice"] = Slice,
        ["sort"] = Sort,
        ["string"] = (rendering, input, arguments) => Bound(rendering, arguments, "string", SoftText(rendering, input)),
        ["sum"] = Sum,
        ["title"] = (rendering, input, arguments) => MapText(rendering, input, arguments, TitleOfWords),
        ["tojson"] = ToJson,
        ["trim"] = Trim,
        ["truncate"] = Truncate,
        ["unique"] = Unique,
        ["upper"] = (rendering, input, arguments) => MapText(rendering, input, arguments, SpecialCasing.ToUpper),
        ["wordcount"] = WordCount,
    }.ToFrozenDictionary();

    public static Filter? Find(string name) => All.GetValueOrDefault(name);

    /// <summary>Markupsafe's soft_str: a string, Markup included, as it is, anything else as its text.</summary>
    private static StringValue SoftText(Rendering rendering, Value value) => value as StringValue ?? value.ToText(rendering);

    private static Value Bound(Rendering rendering, Arguments arguments, string name, Value result)
    {
        arguments.Bind(rendering, name, 0);
        return result;
    }

    private static Value Default(Rendering rendering, Value input, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "default", 0, "default_value", "boolean");
        bool isReplaced = input is UndefinedValue || (values[1]?.IsTrue == true && !input.IsTrue);
        return isReplaced ? values[0] ?? StringValue.Empty : input;
    }

    private static Value Attribute(Rendering rendering, Value input, Arguments arguments)
    {
        string name = rendering.ToString(arguments.Bind(rendering, "attr", 1, "name")[0]!).Text;
        return input.Attribute(rendering, name) ?? new UndefinedValue($"'{input.TypeName} object' has no attribute '{name}'");
    }

    private static IntegerValue Length(Rendering rendering, Value input, Arguments arguments)
    {
        arguments.Bind(rendering, "length", 0);
        return IntegerValue.Of(input.Length(rendering) ?? throw rendering.Fail($"object of type '{input.TypeName}' has no len()"));
    }

    private static StringValue ToJson(Rendering rendering, Value input, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "tojson", 0, "ensure_ascii", "indent", "separators", "sort_keys");
        string? indent = values[1] switch
        {
            null or NoneValue => null,
            StringValue text => text.Text,
            Value width => Spaces(rendering, rendering.ToInt(width)),
        };
        (string, string)? separators = values[2] switch
        {
            null or NoneValue => null,
            ListValue { Items: [StringValue item, StringValue key] } => (item.Text, key.Text),
            _ => throw rendering.Fail("tojson's separators are a pair of strings"),
        };
        return JsonText.Write(rendering, input, values[0]?.IsTrue ?? false, indent, separators, values[3]?.IsTrue ?? false);
    }

    private static string Spaces(Rendering rendering, int count)
    {
        rendering.CheckTextLength(count);
        rendering.AllocateText(Math.Max(0, count));
        return new string(' ', Math.Max(0, count));
    }
}
