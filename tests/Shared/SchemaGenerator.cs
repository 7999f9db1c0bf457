using System.Text.Json.Nodes;

namespace EdgeLlm.Tests;

/// <summary>Random JSON Schemas over every keyword that constraints support. The same seed gives the same schemas everywhere.</summary>
internal sealed class SchemaGenerator(ulong seed)
{
    private static readonly string[] Names = ["name", "id", "kind", "value", "items", "unit", "room", "state", "on", "note", "tags",
        "price", "größe", "a \"b\"", "x/y", "path\\to", "first_name", "n"];
    private static readonly string[] Patterns =
    [
        "^[a-z]{2,8}$", "^\\d{3}-\\d{4}$", "^(foo|bar|baz)+$", "^[A-Z][a-z]*( [A-Z][a-z]*)?$", "[0-9]", "^#[0-9a-fA-F]{6}$", "^\\S+$",
        "^[^\\s@]+@[^\\s@]+$", "^light\\.[a-z_]{1,20}$", "é|ü", "^$|^x",
        "^([01]?\\d|2[0-3]):[0-5]\\d$", "\\w{4,}", "^.{3,10}$",
    ];
    private static readonly string[] Formats = ["date", "time", "date-time", "uuid", "email", "uri", "ipv4", "ipv6", "hostname", "color"];

    private ulong _state = seed * 0xD1342543DE82EF95 + 1;

    /// <summary>The next schema, as text.</summary>
    public string Next()
    {
        var definitions = new JsonObject();
        JsonObject schema = Below(8) == 0 ? Recursive(definitions) : Below(3) > 0 ? Object(0) : Any(0);
        if (definitions.Count > 0) schema["$defs"] = definitions;
        if (Below(4) == 0) schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
        if (Below(4) == 0) schema["description"] = "made at random";
        return schema.ToJsonString();
    }

    private JsonObject Any(int depth)
    {
        int kinds = depth > 2 ? 8 : 14;
        return Below(kinds) switch
        {
            0 or 1 => Text(),
            2 => Whole(),
            3 => Number(),
            4 => new JsonObject { ["type"] = Below(3) == 0 ? "null" : "boolean" },
            5 => Constants(),
            6 => new JsonObject { ["type"] = new JsonArray("integer", "null"), ["minimum"] = 0 },
            7 => Text(),
            8 or 9 => Object(depth),
            10 or 11 => Array(depth),
            12 => Choice(depth),
            _ => Together(depth),
        };
    }

    private JsonObject Text()
    {
        var schema = new JsonObject { ["type"] = "string" };
        switch (Below(6))
        {
            case 0: schema["pattern"] = Of(Patterns); break;
            case 1: schema["format"] = Of(Formats); break;
            case 2:
                return new JsonObject
                {
                    ["enum"] = new JsonArray([.. Enumerable.Range(0, 1 + Below(5)).Select(i => (JsonNode)$"{Of(Names)}{i}")]),
                };
            default:
                int min = Below(3) == 0 ? Below(12) : 0;
                if (min > 0) schema["minLength"] = min;
                schema["maxLength"] = min + Below(40);
                break;
        }
        if (schema.ContainsKey("format") && (string?)schema["format"] == "color") schema["maxLength"] = 20;
        if (schema.ContainsKey("pattern")) schema["maxLength"] = 30;
        return schema;
    }

    private JsonObject Whole()
    {
        var schema = new JsonObject { ["type"] = "integer" };
        int low = Below(2000) - 1000;
        if (Below(3) > 0) schema[Below(2) == 0 ? "minimum" : "exclusiveMinimum"] = low;
        if (Below(3) > 0) schema[Below(2) == 0 ? "maximum" : "exclusiveMaximum"] = low + 2 + Below(5000);
        if (Below(4) == 0) schema["multipleOf"] = 1 + Below(schema.Count > 2 ? 2 : 60);
        return schema;
    }

    private JsonObject Number()
    {
        var schema = new JsonObject { ["type"] = "number" };
        double low = Math.Round((Below(2000) - 1000) / 8.0, 3);
        if (Below(3) > 0) schema[Below(2) == 0 ? "minimum" : "exclusiveMinimum"] = low;
        if (Below(3) > 0) schema[Below(2) == 0 ? "maximum" : "exclusiveMaximum"] = low + 0.25 + Below(100);
        return schema;
    }

    private JsonObject Constants() => Below(3) switch
    {
        0 =>
            new JsonObject
            {
                ["const"] =
                Of<Func<JsonNode?>>(
                    [() => "yes", () => 3, () => true, () => new JsonObject { ["b"] = 1, ["a"] = new JsonArray(1, "x") }, () => null])()
            },
        1 => new JsonObject { ["enum"] = new JsonArray(1, 2.5, "three", null, false) },
        _ => new JsonObject { ["type"] = "string", ["enum"] = new JsonArray("auto", "heat", "cool", "off") },
    };

    private JsonObject Object(int depth)
    {
        var properties = new JsonObject();
        for (int i = 0, count = Below(depth == 0 ? 6 : 4); i < count; i++) properties[Of(Names)] = Any(depth + 1);
        var schema = new JsonObject { ["type"] = "object", ["properties"] = properties };
        JsonNode[] required = [.. properties.Where(_ => Below(2) == 0).Select(property => (JsonNode)property.Key)];
        if (required.Length > 0) schema["required"] = new JsonArray(required);
        switch (Below(6))
        {
            case 0: break;
            case 1: schema["additionalProperties"] = Any(depth + 2); break;
            case 2:
                schema["additionalProperties"] = false;
                schema["patternProperties"] =
                    new JsonObject { ["^x-[a-z]+$"] = new JsonObject { ["type"] = "string", ["maxLength"] = 10 } };
                break;
            case 3:
                schema["propertyNames"] = new JsonObject { ["pattern"] = "^[a-zA-Z_]+$" };
                foreach (string name in properties.Select(property => property.Key)
                    .Where(name => !name.All(c => char.IsAsciiLetter(c) || c == '_')).ToList())
                    properties.Remove(name);
                if (required.Length > 0)
                    schema["required"] =
                        new JsonArray([.. required.Where(name => properties.ContainsKey((string)name!)).Select(name => name.DeepClone())]);
                break;
            default: schema["additionalProperties"] = false; break;
        }
        if (Below(8) == 0) schema["minProperties"] = Math.Min(properties.Count, 1 + Below(3));
        if (Below(8) == 0) schema["maxProperties"] = properties.Count + Below(2);
        return schema;
    }

    private JsonObject Array(int depth)
    {
        var schema = new JsonObject { ["type"] = "array" };
        if (Below(5) == 0)
        {
            schema["items"] = new JsonObject { ["enum"] = new JsonArray("mon", "tue", "wed", "thu", "fri", 1, 2) };
            schema["uniqueItems"] = true;
            if (Below(2) == 0) schema["minItems"] = Below(4);
            return schema;
        }
        if (Below(4) == 0)
            schema["prefixItems"] = new JsonArray([.. Enumerable.Range(0, 1 + Below(3)).Select(_ => (JsonNode)Any(depth + 1))]);
        schema["items"] = Below(6) == 0 ? JsonValue.Create(false) : Any(depth + 1);
        int min = Below(3), max = Math.Max(min, 1 + Below(5));
        bool closed = schema["items"] is JsonValue;
        if (closed) min = Math.Min(min, schema["prefixItems"] is JsonArray prefix ? prefix.Count : 0);
        if (min > 0) schema["minItems"] = min;
        schema["maxItems"] = max;
        return schema;
    }

    private JsonObject Choice(int depth)
    {
        if (Below(2) == 0) return new JsonObject
        {
            ["anyOf"] = new JsonArray([.. Enumerable.Range(0, 2 + Below(2)).Select(_ => (JsonNode)Any(depth + 1))]),
        };
        var choices = new JsonArray();
        for (int i = 0; i < 2 + Below(2); i++)
        {
            JsonObject choice = Object(depth + 1);
            choice.Remove("propertyNames");
            choice.Remove("maxProperties");
            choice["properties"]!["type"] = new JsonObject { ["const"] = $"kind{i}" };
            JsonArray required = choice["required"] as JsonArray ?? [];
            choice["required"] = new JsonArray([.. required.Select(name => name!.DeepClone()), "type"]);
            choices.Add(choice);
        }
        return new JsonObject { ["oneOf"] = choices };
    }

    private JsonObject Together(int depth) => new()
    {
        ["allOf"] = new JsonArray(
            new JsonObject
            {
                ["type"] = "object",
                ["properties"] = new JsonObject { ["id"] = Whole(), ["name"] = Text() },
                ["required"] = new JsonArray("id")
            },
            new JsonObject
            {
                ["properties"] = new JsonObject { ["extra"] = Any(depth + 2) },
                ["required"] = Below(2) == 0 ? new JsonArray("extra") : new JsonArray()
            }),
        ["maxProperties"] = 4,
    };

    private JsonObject Recursive(JsonObject definitions)
    {
        definitions["node"] = new JsonObject
        {
            ["type"] = "object",
            ["properties"] = new JsonObject
            {
                ["value"] = Any(2),
                ["children"] = new JsonObject
                {
                    ["type"] = "array",
                    ["items"] = new JsonObject { ["$ref"] = "#/$defs/node" },
                    ["maxItems"] = 3
                },
                ["next"] = new JsonObject
                {
                    ["anyOf"] =
                    new JsonArray(new JsonObject { ["$ref"] = "#/$defs/node" }, new JsonObject { ["type"] = "null" })
                },
            },
            ["required"] = new JsonArray("value"),
            ["additionalProperties"] = false,
        };
        return new JsonObject { ["$ref"] = "#/$defs/node" };
    }

    private ulong Bits()
    {
        ulong z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    private int Below(int end) => (int)(Bits() % (ulong)end);

    private T Of<T>(IReadOnlyList<T> items) => items[Below(items.Count)];
}
