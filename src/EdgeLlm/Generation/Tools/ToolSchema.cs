using System.Text.Json;
using System.Text.Json.Nodes;
using EdgeLlm.Chat.Tools;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Generation.Tools;

/// <summary>Schemas of tools' arguments.</summary>
internal static class ToolSchema
{
    /// <summary>Keywords at most that one is loosened by.</summary>
    private const int MostLoosened = 24;

    /// <summary>Keywords that describe further members, or say whether there may be some.</summary>
    private static readonly string[] Combining =
        ["additionalProperties", "patternProperties", "unevaluatedProperties", "propertyNames", "minProperties", "allOf", "anyOf", "oneOf",
            "$ref", "if", "not", "dependentSchemas", "dependentRequired", "const", "enum"];

    private static readonly JsonElement AnyObject = Parsed("""{"type":"object"}""");

    private static readonly JsonElement NoMembers = Parsed("""{"type":"object","properties":{},"additionalProperties":false}""");

    /// <summary>A tool's schema; of one that has none, that of an object without members, as OpenAI's API says.</summary>
    public static JsonElement Of(ToolDefinition tool) => tool.IsCustom ? ToolDefinition.InputSchema : tool.Parameters ?? NoMembers;

    /// <summary>A tool with a schema that an answer can be held to.</summary>
    /// <param name="place">Where its schema is in the request, for messages.</param>
    /// <param name="warnings">Receives what was loosened.</param>
    /// <exception cref="ToolException">It is strict and has to be loosened, or it does not describe an object.</exception>
    public static ToolDefinition Prepare(ToolDefinition tool, string place, List<string> warnings)
    {
        if (tool.IsCustom || tool.Parameters is not { } parameters) return tool;
        if (parameters.ValueKind != JsonValueKind.Object) throw new ToolException(place, "has to be a JSON Schema, an object");
        JsonNode schema = JsonNode.Parse(parameters.GetRawText())!;
        if (schema["type"] is not { } type) schema["type"] = "object";
        else if (type.GetValueKind() != JsonValueKind.String || type.GetValue<string>() != "object")
            throw new ToolException(place, "has to describe an object: its type is another one");
        Close(schema);
        for (int i = 0; ; i++)
        {
            JsonElement candidate = Parsed(schema.ToJsonString());
            try
            {
                OutputConstraint.JsonSchema(candidate);
                return tool with { Parameters = candidate };
            }
            catch (ConstraintException exception)
            {
                if (tool.IsStrict) throw new ToolException(place, $"can't be kept to, as strict asks: {exception.Message}");
                if (exception.Place is { } at && i < MostLoosened && Remove(schema, at))
                {
                    warnings.Add($"{place}: {exception.Message}: loosened, and the call is checked afterwards");
                    continue;
                }
                warnings.Add($"{place}: {exception.Message}: any object is taken, and the call is checked afterwards");
                return tool with { Parameters = AnyObject };
            }
        }
    }

    /// <summary>A tool that takes any object.</summary>
    public static ToolDefinition Loosest(ToolDefinition tool) => tool with { Parameters = AnyObject };

    /// <summary>The described members of an object, in the schema's order.</summary>
    public static List<(string Name, JsonElement Schema, bool IsRequired)> Members(JsonElement schema)
    {
        if (!schema.TryGetProperty("properties", out JsonElement properties) || properties.ValueKind != JsonValueKind.Object) return [];
        HashSet<string> required = schema.TryGetProperty("required", out JsonElement list) && list.ValueKind == JsonValueKind.Array
            ? [.. list.EnumerateArray().Where(name => name.ValueKind == JsonValueKind.String).Select(name => name.GetString()!)] : [];
        return [.. properties.EnumerateObject().Select(property => (property.Name, property.Value, required.Contains(property.Name)))];
    }

    /// <summary>Whether an object may have members that are not described.</summary>
    public static bool IsOpen(JsonElement schema) =>
        !schema.TryGetProperty("additionalProperties", out JsonElement more) || more.ValueKind != JsonValueKind.False;

    /// <summary>The type that a schema names, or null where it names none or several.</summary>
    public static string? TypeOf(JsonElement schema) =>
        schema.TryGetProperty("type", out JsonElement type) && type.ValueKind == JsonValueKind.String ? type.GetString() : null;

    /// <summary>The texts that a schema allows, or null where it does not list them or lists other values.</summary>
    public static string[]? Constants(JsonElement schema)
    {
        if (schema.ValueKind != JsonValueKind.Object) return null;
        if (schema.TryGetProperty("const", out JsonElement one)) return one.ValueKind == JsonValueKind.String ? [one.GetString()!] : null;
        return schema.TryGetProperty("enum", out JsonElement list) && list.ValueKind == JsonValueKind.Array && list.GetArrayLength() > 0
            && list.EnumerateArray().All(value => value.ValueKind == JsonValueKind.String)
            ? [.. list.EnumerateArray().Select(value => value.GetString()!)] : null;
    }

    /// <summary>A part of a schema with the definitions that its references lead to.</summary>
    public static JsonElement WithDefinitions(JsonElement part, JsonElement root)
    {
        if (part.ValueKind != JsonValueKind.Object) return part;
        JsonNode? node = null;
        foreach (string key in (string[])["$defs", "definitions"])
        {
            if (!root.TryGetProperty(key, out JsonElement definitions)) continue;
            node ??= JsonNode.Parse(part.GetRawText())!;
            node[key] ??= JsonNode.Parse(definitions.GetRawText());
        }
        return node is null ? part : Parsed(node.ToJsonString());
    }

    /// <summary>
    /// Holds objects whose members are described to these members, where the schema does not say whether there may be others: what a model
    /// adds to them no tool expects. Whatever satisfies the result satisfies the schema.
    /// </summary>
    private static void Close(JsonNode? node)
    {
        if (node is not JsonObject schema) return;
        if (schema["properties"] is JsonObject properties)
        {
            foreach (KeyValuePair<string, JsonNode?> property in properties.ToArray()) Close(property.Value);
            bool isWhole = !Combining.Any(schema.ContainsKey)
                && (schema["required"] as JsonArray)?.All(name => name is JsonValue value && value.TryGetValue(out string? text)
                    && properties.ContainsKey(text)) != false;
            if (isWhole) schema["additionalProperties"] = false;
        }
        Close(schema["items"]);
    }

    /// <summary>Takes out what a JSON pointer (`#/properties/a/not`) leads to.</summary>
    private static bool Remove(JsonNode root, string pointer)
    {
        string[] path = [.. pointer.TrimStart('#').TrimStart('/').Split('/')
            .Select(part => part.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal))];
        JsonNode? at = root;
        foreach (string part in path[..^1])
        {
            at = at switch
            {
                JsonObject members => members[part],
                JsonArray items when int.TryParse(part, out int index) && index >= 0 && index < items.Count => items[index],
                _ => null,
            };
        }
        return at is JsonObject parent && parent.Remove(path[^1]);
    }

    private static JsonElement Parsed(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }
}
