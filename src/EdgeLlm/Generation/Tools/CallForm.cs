using System.Text;
using System.Text.Json;
using EdgeLlm.Chat.Tools;
using EdgeLlm.Files;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Generation.Tools;

/// <summary>Calls of tools that an answer is held to, as data: another process makes the same form of it.</summary>
/// <param name="Format">How calls are written.</param>
/// <param name="Tools">The tools, with schemas that can be compiled.</param>
/// <param name="Most">Calls at most.</param>
/// <param name="Before">Text that has to come first.</param>
/// <param name="Seed">Text of the first call that the prompt has already.</param>
internal sealed record CallForm(ToolFormat Format, IReadOnlyList<ToolDefinition> Tools, int Most, string Before = "", string Seed = "")
{
    /// <summary>Kind of <see cref="OutputConstraint.Source"/> whose text is one.</summary>
    public const string Kind = "calls";

    private const int MostCharacters = 4 << 20;
    private const int MostBefore = 1000;

    /// <summary>The form as JSON.</summary>
    public string ToJson()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("format", Format.Name);
            json.WriteNumber("most", Most);
            json.WriteString("before", Before);
            json.WriteString("seed", Seed);
            json.WriteObjects("tools", Tools, tool =>
            {
                json.WriteString("name", tool.Name);
                json.WriteBoolean("custom", tool.IsCustom);
                if (tool.Lark is { } lark) json.WriteString("lark", lark);
                if (tool.Regex is { } regex) json.WriteString("regex", regex);
                if (tool.Parameters is { } parameters)
                {
                    json.WritePropertyName("parameters");
                    json.WriteRawValue(parameters.GetRawText());
                }
            });
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    /// <summary>Reads what <see cref="ToJson"/> wrote, or anybody else: all of it is checked as a request's tools are.</summary>
    /// <exception cref="ConstraintException">It is not one, or a schema can't be kept to.</exception>
    public static CallForm Read(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Length > MostCharacters) throw new ConstraintException($"calls of more than {MostCharacters} characters");
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            JsonElement root = document.RootElement;
            ToolFormat format = ToolFormats.Named(Text(root, "format")!)
                ?? throw new ConstraintException("calls in a format that is not known here: this program is older than the other");
            int most = root.GetProperty("most").GetInt32();
            string before = Text(root, "before")!, seed = Text(root, "seed")!;
            bool isSeed = seed.Length == 0
                || (format.Call is [TextPart first, ..] && first.Text.StartsWith(seed, StringComparison.Ordinal));
            if (most is < 1 or > CallConstraint.MostCalls || before.Length > MostBefore || !isSeed)
                throw new ConstraintException("calls whose number, or the text before them, is out of range");
            ToolDefinition[] tools = [.. root.GetProperty("tools").EnumerateArray().Take(ToolCalling.MostTools + 1).Select(Tool)];
            if (tools.Length is 0 or > ToolCalling.MostTools || tools.DistinctBy(tool => tool.Name).Count() < tools.Length)
                throw new ConstraintException("calls of no tools, of too many, or of two with one name");
            return new CallForm(format, tools, most, before, seed);
        }
        catch (Exception exception) when (IsOfJson(exception))
        {
            throw new ConstraintException($"calls that can't be read: {exception.Message}");
        }
    }

    /// <summary>Compiles the form.</summary>
    /// <exception cref="ConstraintException">It is too complex.</exception>
    public OutputConstraint Compile()
    {
        try
        {
            return CallConstraint.Compile(Format, Tools, Most, Before, Seed);
        }
        catch (Exception exception) when (IsOfJson(exception))
        {
            throw new ConstraintException($"calls with a schema that can't be read: {exception.Message}");
        }
    }

    private static ToolDefinition Tool(JsonElement item)
    {
        var tool = new ToolDefinition(Text(item, "name")!)
        {
            IsCustom = item.GetProperty("custom").GetBoolean(),
            Lark = Text(item, "lark", isOptional: true),
            Regex = Text(item, "regex", isOptional: true),
            Parameters = item.TryGetProperty("parameters", out JsonElement parameters) ? parameters.Clone() : null,
        };
        if (!ToolDefinition.IsName(tool.Name)) throw new ConstraintException("calls of a tool whose name is none");
        if (tool.Parameters is { } schema)
        {
            if (schema.ValueKind != JsonValueKind.Object || ToolSchema.TypeOf(schema) != "object")
                throw new ConstraintException($"calls of {tool.Name}, whose parameters do not describe an object");
            OutputConstraint.JsonSchema(schema); // as of a request: each by itself, within the limits of one
        }
        return tool;
    }

    private static string? Text(JsonElement item, string key, bool isOptional = false) =>
        isOptional && !item.TryGetProperty(key, out _) ? null
            : item.GetProperty(key).GetString() ?? throw new ConstraintException($"calls with a {key} of null");

    /// <summary>Whether an exception is what readers of JSON say: a part is missing, of another type, doubled, half a character.</summary>
    private static bool IsOfJson(Exception exception) =>
        exception is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or ArgumentException;
}
