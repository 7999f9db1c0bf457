using System.Text.Json;
using EdgeLlm.Chat.Tools;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Tools;

namespace EdgeLlm.Server.Http;

/// <summary>
/// The tools of a request, in the forms that APIs have: OpenAI's chat (`{type, function: {name, description, parameters, strict}}`, also
/// Ollama's), its Responses (the same without `function`), its old `functions`, custom tools, and Anthropic's
/// (`{name, description, input_schema}`).
/// </summary>
internal sealed record RequestTools(IReadOnlyList<ToolDefinition> Tools, ToolChoice Choice, string Field = "tools")
{
    /// <summary>No tools.</summary>
    public static RequestTools None { get; } = new([], ToolChoice.None);

    /// <summary>Whether several may be called at once.</summary>
    public bool Parallel { get; init; } = true;

    /// <summary>Whether a tool's fields are its own and not those of a `function` in it, as messages name places.</summary>
    public bool HasFlatTools { get; init; }

    /// <summary>Whether they came as OpenAI's old `functions`, whose answers have a `function_call`.</summary>
    public bool AreFunctions => Field == "functions";

    /// <summary>Of `tools` and `tool_choice`.</summary>
    /// <param name="parallel">`parallel_tool_calls`.</param>
    /// <exception cref="ApiException">They are wrong, or of a kind that is not done here.</exception>
    public static RequestTools Of(JsonElement? tools, JsonElement? choice, bool? parallel = null)
    {
        List<ToolDefinition> definitions = Definitions(tools, "tools");
        (ToolChoice chosen, string[]? allowed) = ChoiceOf(choice, definitions.Count > 0);
        if (allowed is not null) definitions.RemoveAll(tool => !allowed.Contains(tool.Name));
        bool isSingle = choice is { ValueKind: JsonValueKind.Object } said
            && said.TryGetProperty("disable_parallel_tool_use", out JsonElement single) && single.ValueKind == JsonValueKind.True;
        return new RequestTools(definitions, chosen) { Parallel = parallel != false && !isSingle };
    }

    /// <summary>Of OpenAI's old `functions` and `function_call`.</summary>
    /// <exception cref="ApiException">They are wrong.</exception>
    public static RequestTools OfFunctions(JsonElement? functions, JsonElement? call)
    {
        List<ToolDefinition> definitions = Definitions(functions, "functions");
        ToolChoice choice = call switch
        {
            null or { ValueKind: JsonValueKind.Null or JsonValueKind.Undefined } => definitions.Count > 0
                ? ToolChoice.Auto : ToolChoice.None,
            { ValueKind: JsonValueKind.String } text when text.GetString() is "auto" => ToolChoice.Auto,
            { ValueKind: JsonValueKind.String } text when text.GetString() is "none" => ToolChoice.None,
            { ValueKind: JsonValueKind.Object } named => ToolChoice.Named(Text(named, "name", "function_call")),
            _ => throw ApiException.Field("function_call", "has to be none, auto or {\"name\": ...}"),
        };
        return new RequestTools(definitions, choice, "functions") { Parallel = false };
    }

    /// <summary>The tools for answers of a model.</summary>
    /// <exception cref="ApiException">A tool can't be offered; the message names its place.</exception>
    public ToolCalling For(ChatFormat format)
    {
        try
        {
            return ToolCalling.Create(format, Tools, Choice, Parallel,
                i => AreFunctions || HasFlatTools ? $"{Field}[{i}]" : $"{Field}[{i}].{(Tools[i].IsCustom ? "custom" : "function")}");
        }
        catch (ToolException exception)
        {
            throw Refused(exception);
        }
    }

    /// <summary>As <see cref="ToolCalling.Apply"/>.</summary>
    /// <exception cref="ApiException">The options do not go together with tools.</exception>
    public static GenerationOptions Apply(ToolCalling calling, GenerationOptions options, IReadOnlyList<int> prompt)
    {
        try
        {
            return calling.Apply(options, prompt);
        }
        catch (ToolException exception)
        {
            throw Refused(exception);
        }
    }

    private static ApiException Refused(ToolException exception) => new(400, exception.Message, "invalid_tool", exception.Place);

    private static List<ToolDefinition> Definitions(JsonElement? list, string field)
    {
        if (list is null or { ValueKind: JsonValueKind.Null or JsonValueKind.Undefined }) return [];
        if (list.Value.ValueKind != JsonValueKind.Array) throw ApiException.Field(field, "has to be a list");
        return [.. list.Value.EnumerateArray().Select((item, i) => Definition(item, $"{field}[{i}]", isFunction: field == "functions"))];
    }

    private static ToolDefinition Definition(JsonElement item, string place, bool isFunction)
    {
        if (item.ValueKind != JsonValueKind.Object) throw ApiException.Field(place, "has to be an object");
        string type = item.TryGetProperty("type", out JsonElement given) && given.ValueKind == JsonValueKind.String && !isFunction
            ? given.GetString()! : "function";
        if (item.TryGetProperty("input_schema", out _)) type = "function"; // Anthropic's, of type `custom` or none
        if (type is not ("function" or "custom"))
            throw ApiException.Unsupported($"{place}.type", $"'{type}' is not known here; function and custom are");
        if (item.TryGetProperty(type, out JsonElement inner) && inner.ValueKind == JsonValueKind.Object)
            (item, place) = (inner, $"{place}.{type}");
        var tool = new ToolDefinition(Text(item, "name", place))
        {
            Description = item.TryGetProperty("description", out JsonElement description) && description.ValueKind == JsonValueKind.String
                ? description.GetString() : null,
        };
        if (type == "custom") return Custom(tool, item, place);
        JsonElement? schema = null;
        foreach (string key in (string[])["parameters", "input_schema"])
        {
            if (item.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null) schema = value;
        }
        bool isEmpty = schema is { ValueKind: JsonValueKind.Object } members && members.GetPropertyCount() == 0;
        return tool with
        {
            Parameters = isEmpty ? null : schema,
            IsStrict = item.TryGetProperty("strict", out JsonElement strict) && strict.ValueKind == JsonValueKind.True,
        };
    }

    private static ToolDefinition Custom(ToolDefinition tool, JsonElement item, string place)
    {
        tool = tool with { IsCustom = true };
        if (!item.TryGetProperty("format", out JsonElement format) || format.ValueKind == JsonValueKind.Null) return tool;
        if (format.ValueKind != JsonValueKind.Object) throw ApiException.Field($"{place}.format", "has to be an object");
        string type = Text(format, "type", $"{place}.format");
        if (type == "text") return tool;
        if (type != "grammar") throw ApiException.Unsupported($"{place}.format.type", $"'{type}' is not known; text and grammar are");
        if (format.TryGetProperty("grammar", out JsonElement grammar) && grammar.ValueKind == JsonValueKind.Object) format = grammar;
        string definition = Text(format, "definition", $"{place}.format");
        return Text(format, "syntax", $"{place}.format") switch
        {
            "lark" => tool with { Lark = definition },
            "regex" => tool with { Regex = definition },
            var other => throw ApiException.Unsupported($"{place}.format.syntax", $"'{other}' is not known; lark and regex are"),
        };
    }

    private static (ToolChoice Choice, string[]? Allowed) ChoiceOf(JsonElement? choice, bool hasTools)
    {
        switch (choice?.ValueKind)
        {
            case null or JsonValueKind.Null or JsonValueKind.Undefined:
                return (hasTools ? ToolChoice.Auto : ToolChoice.None, null);
            case JsonValueKind.String:
                return (Mode(choice.Value.GetString()!, hasTools), null);
            case not JsonValueKind.Object:
                throw ApiException.Field("tool_choice", "has to be none, auto, required or an object that names a tool");
        }
        JsonElement said = choice.Value;
        string type = Text(said, "type", "tool_choice");
        if (type is "function" or "custom" or "tool")
            return (ToolChoice.Named(
                Text(said.TryGetProperty(type, out JsonElement inner) && inner.ValueKind == JsonValueKind.Object ? inner : said,
                    "name", "tool_choice")), null);
        if (type != "allowed_tools") return (Mode(type, hasTools), null);
        if (said.TryGetProperty("allowed_tools", out JsonElement allowed) && allowed.ValueKind == JsonValueKind.Object) said = allowed;
        if (!said.TryGetProperty("tools", out JsonElement list) || list.ValueKind != JsonValueKind.Array)
            throw ApiException.Field("tool_choice.tools", "has to be a list");
        string[] names = [.. list.EnumerateArray().Select(item => Definition(item, "tool_choice.tools", isFunction: false).Name)];
        return (Mode(Text(said, "mode", "tool_choice"), hasTools), names);
    }

    private static ToolChoice Mode(string mode, bool hasTools) => mode switch
    {
        "none" => ToolChoice.None,
        "" or "auto" => hasTools ? ToolChoice.Auto : ToolChoice.None,
        "required" or "any" => ToolChoice.Required,
        _ => throw ApiException.Field("tool_choice", $"is '{mode}'; it has to be none, auto, required or an object that names a tool"),
    };

    private static string Text(JsonElement item, string key, string place) =>
        item.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()!
            : throw ApiException.Field($"{place}.{key}", "is missing or not a text");
}
