using System.Text.Json;
using EdgeLlm.Chat.Tools;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Generation.Tools;

/// <summary>Calls of tools as a form: how the model's family writes them, the tools' names, and arguments that fit their schemas.</summary>
internal sealed class CallConstraint
{
    /// <summary>Calls of one answer at most.</summary>
    public const int MostCalls = 8;

    /// <summary>Free arguments at most, of tools that describe none.</summary>
    private const int MostFree = 16;

    /// <summary>Spaces at most after a line break where a format has white space.</summary>
    private const int MostIndent = 4;

    private const long MostSteps = 4L * CompileBudget.MostSteps;

    /// <summary>
    /// Nothing, a space, or one or two line breaks and an indent: a model that finds no end of white space is not let to look for it.
    /// </summary>
    private static readonly GrammarNode Space = GrammarNode.Either([
        GrammarNode.Text(" "),
        GrammarNode.Join([new RepeatNode(GrammarNode.Text("\n"), 1, 2), new RepeatNode(GrammarNode.Text(" "), 0, MostIndent)]),
    ]).Optional();

    private readonly ToolFormat _format;
    private readonly FormBuilder _form;

    private CallConstraint(ToolFormat format, FormBuilder form) => (_format, _form) = (format, form);

    /// <param name="format">How calls are written.</param>
    /// <param name="tools">The tools, with schemas that can be compiled.</param>
    /// <param name="most">Calls at most.</param>
    /// <param name="before">Text that has to come first.</param>
    /// <param name="seed">Text of the first call that the prompt has already.</param>
    /// <exception cref="ConstraintException">It is too complex.</exception>
    public static OutputConstraint Compile(ToolFormat format, IReadOnlyList<ToolDefinition> tools, int most,
        string before = "", string seed = "") =>
        OutputConstraint.Compose(MostSteps, form => new CallConstraint(format, form).All(tools, most, before, seed),
            (CallForm.Kind, new CallForm(format, tools, most, before, seed).ToJson()));

    private GrammarNode All(IReadOnlyList<ToolDefinition> tools, int most, string before, string seed)
    {
        GrammarNode first = Either(tools.Select(tool => Call(tool, seed))),
            next = seed.Length == 0 ? first : Either(tools.Select(tool => Call(tool, "")));
        var more = new RepeatNode(Join(Text(_format.Separator), next), 0, most - 1);
        return Join(Text(before), Join(_format.Begin.Select(part => Part(part, tools[0]))), first,
            most > 1 ? more : GrammarNode.Empty, Text(_format.End));
    }

    private GrammarNode Call(ToolDefinition tool, string seed) =>
        _form.Rule(
            Join(_format.Call.Select((part, i) => i == 0 && part is TextPart text ? Text(text.Text[seed.Length..]) : Part(part, tool))));

    private GrammarNode Part(CallPart part, ToolDefinition tool) => part switch
    {
        TextPart text => Text(text.Text),
        NamePart => GrammarNode.Text(tool.Name),
        IdPart id => _form.Pattern(id.Pattern),
        EitherPart either => Either(either.Ways.Select(way => Join(way.Select(item => Part(item, tool))))),
        JsonPart => tool.IsCustom ? Custom(tool) : _form.Schema(ToolSchema.Of(tool)),
        ParametersPart parameters => Parameters(parameters, tool),
        ValuesPart values => Members(values.Notation, ToolSchema.Of(tool), values.Notation.Open, values.Notation.Close,
            values.Notation.Assign, 0),
        _ => throw new InvalidOperationException(part.GetType().Name),
    };

    /// <summary>A custom tool's text within JSON.</summary>
    private GrammarNode Custom(ToolDefinition tool)
    {
        GrammarNode text = CustomText(tool, TextForm.Json) ?? _form.Regex("[^]*", TextForm.Json);
        return Join(Text("{ \"" + ToolDefinition.Input + "\" : "), GrammarNode.Text("\""), text, Text("\" }"));
    }

    private GrammarNode? CustomText(ToolDefinition tool, TextForm form) =>
        tool.Lark is { } lark ? _form.Lark(lark, form) : tool.Regex is { } regex ? _form.Regex(regex, form) : null;

    private GrammarNode Parameters(ParametersPart part, ToolDefinition tool)
    {
        if (tool.IsCustom)
        {
            GrammarNode head = Join(Text(part.Head), GrammarNode.Text(ToolDefinition.Input), Text(part.MiddleFor(isText: true)));
            return CustomText(tool, TextForm.Plain) is { } text ? Join(head, text, Text(part.Tail)) : Join(head, AnyUntil(part.Tail));
        }
        JsonElement schema = ToolSchema.Of(tool);
        List<(string Name, JsonElement Schema, bool IsRequired)> members = ToolSchema.Members(schema);
        if (members.Count == 0 && ToolSchema.IsOpen(schema))
        {
            GrammarNode free =
                Join(Text(part.Head), _form.Pattern("[A-Za-z0-9_]{1,64}"), Text(part.MiddleFor(isText: true)), AnyUntil(part.Tail));
            return new RepeatNode(_form.Rule(free), 0, MostFree);
        }
        return Join(members.Select(member =>
        {
            bool isText = ParameterReader.TakesText(tool, member.Name);
            GrammarNode value = !isText ? Join(JsonValue(ToolSchema.WithDefinitions(member.Schema, schema)), Text(part.Tail))
                : ToolSchema.Constants(member.Schema) is { } texts
                ? Join(Either(texts.Select(text => GrammarNode.Text(text))), Text(part.Tail))
                : AnyUntil(part.Tail);
            GrammarNode node = Join(Text(part.Head), GrammarNode.Text(member.Name), Text(part.MiddleFor(isText)), value);
            return member.IsRequired ? node : node.Optional();
        }));
    }

    /// <summary>The members of an object in another notation than JSON's.</summary>
    private GrammarNode Members(ValueNotation notation, JsonElement schema, string open, string close, string assign, int depth)
    {
        List<(string Name, JsonElement Schema, bool IsRequired)> members = ToolSchema.Members(schema);
        if (notation.Quote is not null)
            members.Sort((a, b) => string.Compare(a.Name, b.Name, StringComparison.OrdinalIgnoreCase)); // as Gemma's templates have them
        if (members.Count == 0 && ToolSchema.IsOpen(schema))
        {
            GrammarNode free = _form.Rule(Join(_form.Pattern("[A-Za-z_][A-Za-z0-9_]{0,63}"), Text(assign), AnyValue(notation, depth + 1)));
            GrammarNode more = new RepeatNode(Join(Text(" , "), free), 0, MostFree - 1);
            return Join(GrammarNode.Text(open), Space, Join(free, more).Optional(), Space, GrammarNode.Text(close));
        }
        return Join(GrammarNode.Text(open), Space, Rest(0, hasMember: false), Space, GrammarNode.Text(close));

        GrammarNode Rest(int at, bool hasMember)
        {
            if (at == members.Count) return GrammarNode.Empty;
            (string name, JsonElement value, bool isRequired) = members[at];
            GrammarNode member =
                Join(Text(hasMember ? " , " : ""), GrammarNode.Text(name), Text(assign), Value(notation, value, depth + 1));
            if (isRequired) return Join(member, Rest(at + 1, hasMember: true));
            return hasMember ? Join(member.Optional(), Rest(at + 1, hasMember: true))
                : Either([Join(member, Rest(at + 1, hasMember: true)), Rest(at + 1, hasMember: false)]);
        }
    }

    private GrammarNode Value(ValueNotation notation, JsonElement schema, int depth)
    {
        if (depth > 6 || schema.ValueKind != JsonValueKind.Object) return AnyValue(notation, depth);
        if (ToolSchema.Constants(schema) is { } texts)
            return Either(
                texts.Select(text => GrammarNode.Text(notation.Quote is { } quote ? quote + text + quote : ValueReader.Quoted(text))));
        return ToolSchema.TypeOf(schema) switch
        {
            "string" => AnyText(notation),
            "integer" => _form.Pattern("-?(?:0|[1-9][0-9]{0,14})"),
            "number" => _form.Pattern(@"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?"),
            "boolean" => Either([GrammarNode.Text(notation.True), GrammarNode.Text(notation.False)]),
            "null" => GrammarNode.Text(notation.Null),
            "array" => Items(schema.TryGetProperty("items", out JsonElement items) ? Value(notation, items, depth + 1)
                : AnyValue(notation, depth + 1)),
            "object" => Members(notation, schema, "{", "}", ":", depth),
            _ => AnyValue(notation, depth),
        };
    }

    private GrammarNode AnyValue(ValueNotation notation, int depth)
    {
        GrammarNode scalar = Either([
            AnyText(notation), _form.Pattern(@"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?"), GrammarNode.Text(notation.True),
            GrammarNode.Text(notation.False), GrammarNode.Text(notation.Null),
        ]);
        return depth > 1 ? scalar : Either([scalar, Items(scalar)]);
    }

    private static GrammarNode Items(GrammarNode item) =>
        Join(Text("[ "), Join(item, Join(Text(" , "), item).Star()).Optional(), Text(" ]"));

    private GrammarNode AnyText(ValueNotation notation) => notation.Quote is { } quote
        ? Join(GrammarNode.Text(quote), new UntilNode(quote))
        : _form.Pattern("""
            "(?:[^"\\\u0000-\u001f]|\\["\\/bfnrt])*"
            """);

    /// <summary>A text, in which a run of white space stands for any.</summary>
    private static GrammarNode Text(string text)
    {
        var items = new List<GrammarNode>();
        for (int at = 0; at < text.Length;)
        {
            int end = at;
            bool isSpace = char.IsWhiteSpace(text[at]);
            while (end < text.Length && char.IsWhiteSpace(text[end]) == isSpace) end++;
            items.Add(isSpace ? Space : GrammarNode.Text(text[at..end]));
            at = end;
        }
        return Join(items);
    }

    /// <summary>JSON; true and false also as Python writes them, as some templates do.</summary>
    private GrammarNode JsonValue(JsonElement schema) =>
        schema.ValueKind == JsonValueKind.Object && ToolSchema.TypeOf(schema) == "boolean"
            ? _form.Pattern("[Tt]rue|[Ff]alse") : _form.Schema(schema);

    private static GrammarNode AnyUntil(string tail) =>
        Join(new UntilNode(tail.TrimEnd()), tail.Length > tail.TrimEnd().Length ? Space : GrammarNode.Empty);

    private static GrammarNode Join(params IEnumerable<GrammarNode> items) => GrammarNode.Join([.. items]);

    private static GrammarNode Either(IEnumerable<GrammarNode> items) => GrammarNode.Either([.. items]);
}
