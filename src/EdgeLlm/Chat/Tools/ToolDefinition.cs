using System.Text.Json;
using System.Text.Json.Nodes;

namespace EdgeLlm.Chat.Tools;

/// <summary>A tool that a model may call.</summary>
/// <param name="Name">Its name: 1 to 128 letters, digits and `_ - . /`.</param>
public sealed record ToolDefinition(string Name)
{
    private const int MostNameLength = 128;

    /// <summary>Description for the model; null: none.</summary>
    public string? Description { get; init; }

    /// <summary>A JSON Schema of its arguments, an object; null: no arguments are described, and any object is taken.</summary>
    public JsonElement? Parameters { get; init; }

    /// <summary>
    /// Whether its arguments have to satisfy the whole schema: one with a keyword that the engine can't hold a model to is refused then.
    /// </summary>
    public bool IsStrict { get; init; }

    /// <summary>
    /// Whether it takes one text instead of a JSON object (OpenAI's custom tools). The model sees a function with the argument
    /// <c>input</c>, which
    /// <see cref="Lark"/> or <see cref="Regex"/> may give a form.
    /// </summary>
    public bool IsCustom { get; init; }

    /// <summary>A Lark grammar of a custom tool's text.</summary>
    public string? Lark { get; init; }

    /// <summary>A regular expression of a custom tool's text.</summary>
    public string? Regex { get; init; }

    /// <summary>Name of a custom tool's only argument.</summary>
    public const string Input = "input";

    /// <summary>Whether a text can be a tool's name.</summary>
    public static bool IsName(string name) => name is { Length: > 0 and <= MostNameLength } && name.All(IsOfName);

    internal static bool IsOfName(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.' or '/';

    /// <summary>
    /// The tools as templates take them: a JSON array of <c>{"type": "function", "function": {"name", "description", "parameters"}}</c>.
    /// </summary>
    public static JsonElement ToJson(IEnumerable<ToolDefinition> tools)
    {
        ArgumentNullException.ThrowIfNull(tools);
        var array = new JsonArray();
        foreach (ToolDefinition tool in tools)
        {
            var function = new JsonObject { ["name"] = tool.Name };
            if (tool.Description is { Length: > 0 } description) function["description"] = description;
            function["parameters"] = JsonNode.Parse((tool.Parameters ?? (tool.IsCustom ? InputSchema : NoParameters)).GetRawText());
            array.Add((JsonNode)new JsonObject { ["type"] = "function", ["function"] = function });
        }
        using JsonDocument document = JsonDocument.Parse(array.ToJsonString());
        return document.RootElement.Clone();
    }

    internal static JsonElement InputSchema { get; } =
        Parsed("""{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}""");

    internal static JsonElement NoParameters { get; } = Parsed("""{"type":"object","properties":{}}""");

    private static JsonElement Parsed(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }
}

/// <summary>Whether a model calls a tool.</summary>
/// <param name="Mode">Whether it may or has to.</param>
/// <param name="Name">With <see cref="ToolChoiceMode.Required"/>: the only tool that it may call, or null for any.</param>
public readonly record struct ToolChoice(ToolChoiceMode Mode, string? Name = null)
{
    /// <summary>The model decides.</summary>
    public static ToolChoice Auto => new(ToolChoiceMode.Auto);

    /// <summary>No tool is called.</summary>
    public static ToolChoice None => new(ToolChoiceMode.None);

    /// <summary>At least one tool is called.</summary>
    public static ToolChoice Required => new(ToolChoiceMode.Required);

    /// <summary>This tool is called, once.</summary>
    public static ToolChoice Named(string name) => new(ToolChoiceMode.Required, name);
}

/// <summary>Whether a model calls a tool.</summary>
public enum ToolChoiceMode
{
    /// <summary>It decides.</summary>
    Auto,

    /// <summary>It may not.</summary>
    None,

    /// <summary>It has to.</summary>
    Required,
}
