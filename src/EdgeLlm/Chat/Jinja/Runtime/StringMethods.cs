using System.Collections.Frozen;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>The methods of Python's str.</summary>
internal static partial class StringMethods
{
    private static readonly FrozenDictionary<string, Method<StringValue>> Methods = new Dictionary<string, Method<StringValue>>
    {
        ["capitalize"] = (rendering, self, arguments) => Map(rendering, self, arguments, PythonText.Capitalize),
        ["casefold"] = (rendering, self, arguments) => Map(rendering, self, arguments, SpecialCasing.ToLower),
        ["center"] = (rendering, self, arguments) => Pad(rendering, self, arguments, "center"),
        ["count"] = Count,
        ["endswith"] = (rendering, self, arguments) => HasAffix(rendering, self, arguments, isPrefix: false),
        ["expandtabs"] = ExpandTabs,
        ["find"] = (rendering, self, arguments) => Find(rendering, self, arguments, last: false, mustExist: false),
        ["format"] = (rendering, self, arguments) => BraceFormat.Apply(rendering, self, arguments),
        ["format_map"] = FormatMap,
        ["index"] = (rendering, self, arguments) => Find(rendering, self, arguments, last: false, mustExist: true),
        ["isalnum"] = (rendering, self, arguments) => All(rendering, self, arguments, TextClasses.IsAlphanumeric),
        ["isalpha"] = (rendering, self, arguments) => All(rendering, self, arguments, TextClasses.IsLetter),
        ["isascii"] = (rendering, self, arguments) => Is(rendering, self, arguments, System.Text.Ascii.IsValid(self.Text)),
        ["isdecimal"] = (rendering, self, arguments) => All(rendering, self, arguments, TextClasses.IsDecimal),
        ["isdigit"] = (rendering, self, arguments) => All(rendering, self, arguments, TextClasses.IsDigit),
        ["isidentifier"] = (rendering, self, arguments) => Is(rendering, self, arguments, TextClasses.IsIdentifier(self.Text)),
        ["islower"] = (rendering, self, arguments) => Is(rendering, self, arguments, TextClasses.IsLower(self.Text)),
        ["isnumeric"] = (rendering, self, arguments) => All(rendering, self, arguments, TextClasses.IsNumeric),
        ["isprintable"] = (rendering, self, arguments) =>
            Is(rendering, self, arguments, self.Text.EnumerateRunes().All(rune => PythonText.IsPrintable(rune.Value))),
        ["isspace"] = (rendering, self, arguments) => Is(rendering, self, arguments, self.IsTrue && self.Text.All(PythonText.IsSpace)),
        ["istitle"] = (rendering, self, arguments) => Is(rendering, self, arguments, TextClasses.IsTitle(self.Text)),
        ["isupper"] = (rendering, self, arguments) => Is(rendering, self, arguments, TextClasses.IsUpper(self.Text)),
        ["join"] = Join,
        ["ljust"] = (rendering, self, arguments) => Pad(rendering, self, arguments, "ljust"),
        ["lower"] = (rendering, self, arguments) => Map(rendering, self, arguments, SpecialCasing.ToLower),
        ["lstrip"] = (rendering, self, arguments) => Strip(rendering, self, arguments, left: true, right: false),
        ["partition"] = (rendering, self, arguments) => Partition(rendering, self, arguments, last: false),
        ["removeprefix"] = (rendering, self, arguments) => RemoveAffix(rendering, self, arguments, isPrefix: true),
        ["removesuffix"] = (rendering, self, arguments) => RemoveAffix(rendering, self, arguments, isPrefix: false),
        ["replace"] = Replace,
        ["rfind"] = (rendering, self, arguments) => Find(rendering, self, arguments, last: true, mustExist: false),
        ["rindex"] = (rendering, self, arguments) => Find(rendering, self, arguments, last: true, mustExist: true),
        ["rjust"] = (rendering, self, arguments) => Pad(rendering, self, arguments, "rjust"),
        ["rpartition"] = (rendering, self, arguments) => Partition(rendering, self, arguments, last: true),
        ["rsplit"] = (rendering, self, arguments) => Split(rendering, self, arguments, fromRight: true),
        ["rstrip"] = (rendering, self, arguments) => Strip(rendering, self, arguments, left: false, right: true),
        ["split"] = (rendering, self, arguments) => Split(rendering, self, arguments, fromRight: false),
        ["splitlines"] = SplitLines,
        ["startswith"] = (rendering, self, arguments) => HasAffix(rendering, self, arguments, isPrefix: true),
        ["strip"] = (rendering, self, arguments) => Strip(rendering, self, arguments, left: true, right: true),
        ["swapcase"] = (rendering, self, arguments) => Map(rendering, self, arguments, TextClasses.SwapCase),
        ["title"] = (rendering, self, arguments) => Map(rendering, self, arguments, TextClasses.ToTitle),
        ["upper"] = (rendering, self, arguments) => Map(rendering, self, arguments, SpecialCasing.ToUpper),
        ["zfill"] = ZeroFill,
    }.ToFrozenDictionary();

    public static Value? Find(StringValue self, string name) => Methods.TryGetValue(name, out Method<StringValue>? method)
        ? new FunctionValue(name, (rendering, arguments) => method(rendering, self, arguments))
        : null;

    private static StringValue Map(Rendering rendering, StringValue self, Arguments arguments, Func<string, string> change)
    {
        arguments.Bind(rendering, "the string method", 0);
        rendering.AllocateText(self.Text.Length);
        return self.Changed(rendering, change(self.Text));
    }

    private static BooleanValue Is(Rendering rendering, StringValue self, Arguments arguments, bool answer)
    {
        arguments.Bind(rendering, "the string method", 0);
        rendering.Step(self.Text.Length >> 2);
        return BooleanValue.Of(answer);
    }

    private static BooleanValue All(Rendering rendering, StringValue self, Arguments arguments, Func<System.Text.Rune, bool> predicate) =>
        Is(rendering, self, arguments, self.IsTrue && self.Text.EnumerateRunes().All(predicate));

    private static StringValue Join(Rendering rendering, StringValue self, Arguments arguments)
    {
        IEnumerator<Value> items = rendering.Iterate(arguments.Bind(rendering, "join", 1, "iterable")[0]!);
        TextBuilder text = new(rendering);
        bool isFirst = true;
        while (items.MoveNext())
        {
            if (!isFirst) text.Append(self);
            isFirst = false;
            StringValue item = rendering.ToString(items.Current);
            text.Append(self.IsMarkup ? Markup.Escape(rendering, item) : item);
        }
        return text.ToValue(self.IsMarkup);
    }

    private static StringValue Pad(Rendering rendering, StringValue self, Arguments arguments, string method)
    {
        Value?[] values = arguments.Bind(rendering, method, 1, "width", "fillchar");
        StringValue fill = values[1] is null ? new StringValue(" ") : rendering.ToString(values[1]!);
        if (fill.PointCount(rendering) != 1) throw rendering.Fail("The fill character must be exactly one character long");
        return Pad(rendering, self, rendering.ToInt(values[0]!), method, fill);
    }

    /// <summary>Widens a text to a given number of code points on the side that a method of that name does.</summary>
    public static StringValue Pad(Rendering rendering, StringValue self, int width, string method, StringValue fill)
    {
        int missing = width - self.PointCount(rendering);
        if (missing <= 0) return self;
        // As CPython's center does it: the odd one goes left where the width is odd.
        int left = method switch { "ljust" => 0, "rjust" => missing, _ => missing / 2 + (missing & width & 1) };
        TextBuilder text = new(rendering);
        text.Append(fill, left);
        text.Append(self);
        text.Append(fill, missing - left);
        return text.ToValue(self.IsMarkup);
    }

    private static StringValue ZeroFill(Rendering rendering, StringValue self, Arguments arguments)
    {
        int width = rendering.ToInt(arguments.Bind(rendering, "zfill", 1, "width")[0]!);
        int missing = width - self.PointCount(rendering);
        if (missing <= 0) return self;
        int sign = self.Text.StartsWith('+') || self.Text.StartsWith('-') ? 1 : 0;
        TextBuilder text = new(rendering);
        text.Append(self, 0, sign);
        text.Append('0', missing);
        text.Append(self, sign, self.Text.Length - sign);
        return text.ToValue(self.IsMarkup);
    }

    private static StringValue ExpandTabs(Rendering rendering, StringValue self, Arguments arguments)
    {
        int size = arguments.Bind(rendering, "expandtabs", 0, "tabsize")[0] is Value given ? rendering.ToInt(given) : 8;
        TextBuilder text = new(rendering);
        int column = 0;
        for (int i = 0; i < self.Text.Length; i += self.UnitsAt(i))
        {
            char character = self.Text[i];
            int spaces = size > 0 ? size - column % size : 0;
            if (character == '\t') text.Append(' ', spaces);
            else text.Append(self, i, self.UnitsAt(i));
            column = character is '\n' or '\r' ? 0 : column + (character == '\t' ? spaces : 1);
        }
        return text.ToValue(self.IsMarkup);
    }

    private static StringValue FormatMap(Rendering rendering, StringValue self, Arguments arguments)
    {
        Value mapping = arguments.Bind(rendering, "format_map", 1, "mapping")[0]!;
        return BraceFormat.Apply(rendering, self, arguments with { Positional = [], Named = Calls.Keywords(rendering, mapping) });
    }
}
