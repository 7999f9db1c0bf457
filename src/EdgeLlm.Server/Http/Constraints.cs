using System.Globalization;
using System.Text;
using System.Text.Json;
using EdgeLlm.Sampling.Constraints;
using EdgeLlm.Server.OpenAi;

namespace EdgeLlm.Server.Http;

/// <summary>Kinds of a form.</summary>
internal enum FormKind
{
    /// <summary>A JSON schema, or the text of one.</summary>
    Json,

    /// <summary>A regular expression.</summary>
    Regex,

    /// <summary>A list of texts.</summary>
    Choice,

    /// <summary>GBNF, or where it has no `::=`, Lark.</summary>
    Grammar,
}

/// <summary>A form that a field of a request asks the answer to have.</summary>
/// <param name="Field">The field's name.</param>
/// <param name="Kind">What its value is.</param>
/// <param name="Value">Its value; null and what is empty asks for nothing.</param>
internal readonly record struct Form(string Field, FormKind Kind, JsonElement? Value);

/// <summary>
/// Forms that requests ask an answer to have. What can't be kept is refused: an answer that only looks right is worse than none.
/// </summary>
internal static class Constraints
{
    /// <summary>Of OpenAI's `response_format` and of other fields.</summary>
    /// <exception cref="ApiException">It is wrong or not supported, or there are several.</exception>
    public static OutputConstraint? Of(ResponseFormat? format, params ReadOnlySpan<Form> others)
    {
        OutputConstraint? constraint = format?.Type switch
        {
            null or "text" => null,
            "json_object" when !Fields.IsSet(format.Schema) => OutputConstraint.AnyJsonObject,
            "json_object" => OfSchema("response_format.schema", format.Schema!.Value),
            "json_schema" when format.JsonSchema?.Schema is { } given => OfSchema("response_format.json_schema.schema", given),
            "json_schema" when format.Schema is { } given => OfSchema("response_format.schema", given),
            "json_schema" => throw ApiException.Field("response_format.json_schema.schema", "is missing"),
            var other => throw ApiException.Unsupported("response_format",
                $"'{other}' is not known; text, json_object and json_schema are"),
        };
        string? earlier = constraint is null ? null : "response_format";
        foreach (Form form in others)
        {
            if (!Fields.IsSet(form.Value)) continue;
            if (earlier is not null) throw ApiException.Field(form.Field, $"can't be given beside {earlier}");
            (constraint, earlier) = (Of(form.Field, form.Kind, form.Value!.Value), form.Field);
        }
        return constraint;
    }

    /// <summary>Of Ollama's `format`: `json` or a schema.</summary>
    /// <exception cref="ApiException">It is wrong or not supported.</exception>
    public static OutputConstraint? OfFormat(JsonElement? format) => format?.ValueKind switch
    {
        JsonValueKind.String when format.Value.GetString() is "json" => OutputConstraint.AnyJsonObject,
        JsonValueKind.Object => OfSchema("format", format.Value),
        _ when !Fields.IsSet(format) => null,
        _ => throw new ApiException(400, "invalid format: expected \"json\" or a JSON schema", parameter: "format"),
    };

    /// <summary>Of the responses API's format, whose schema is beside its type.</summary>
    /// <exception cref="ApiException">It is wrong or not supported.</exception>
    public static OutputConstraint? OfSchemaFormat(JsonElement? format, string field)
    {
        if (!Fields.IsGiven(format)) return null;
        if (format!.Value.ValueKind != JsonValueKind.Object) throw ApiException.Field(field, "has to be an object");
        string? type = format.Value.TryGetProperty("type", out JsonElement name) && name.ValueKind == JsonValueKind.String
            ? name.GetString() : null;
        return type switch
        {
            "text" => null,
            "json_object" => OutputConstraint.AnyJsonObject,
            "json_schema" => format.Value.TryGetProperty("schema", out JsonElement schema) ? OfSchema($"{field}.schema", schema)
                : throw ApiException.Field($"{field}.schema", "is missing"),
            _ => throw ApiException.Unsupported(field, $"'{type}' is not known; text, json_object and json_schema are"),
        };
    }

    /// <summary>Of a schema.</summary>
    /// <exception cref="ApiException">It is wrong or not supported.</exception>
    public static OutputConstraint OfSchema(string field, JsonElement schema) => Checked(field, () => OutputConstraint.JsonSchema(schema));

    private static OutputConstraint Of(string field, FormKind kind, JsonElement value)
    {
        if (kind == FormKind.Json)
            return value.ValueKind == JsonValueKind.String ? Checked(field, () => OutputConstraint.JsonSchema(value.GetString()!))
                : OfSchema(field, value);
        if (kind == FormKind.Choice) return Checked(field, () => OutputConstraint.Gbnf(Alternatives(Fields.Texts(value, field))));
        if (value.ValueKind != JsonValueKind.String) throw ApiException.Field(field, "has to be a text");
        string text = value.GetString()!;
        if (kind == FormKind.Regex) return Checked(field, () => OutputConstraint.Regex(text));
        return Checked(field,
            () => text.Contains("::=", StringComparison.Ordinal) ? OutputConstraint.Gbnf(text) : OutputConstraint.Lark(text));
    }

    /// <summary>A grammar of texts of which one is to be chosen.</summary>
    private static string Alternatives(string[] texts)
    {
        var grammar = new StringBuilder("root ::= ");
        for (int i = 0; i < texts.Length; i++)
        {
            grammar.Append(i == 0 ? "\"" : " | \"");
            foreach (Rune rune in texts[i].EnumerateRunes())
            {
                if (rune.Value is >= ' ' and < 127 and not '"' and not '\\') grammar.Append((char)rune.Value);
                else grammar.Append(CultureInfo.InvariantCulture, $"\\U{rune.Value:X8}");
            }
            grammar.Append('"');
        }
        return grammar.ToString();
    }

    private static OutputConstraint Checked(string field, Func<OutputConstraint> make)
    {
        try
        {
            return make();
        }
        catch (ConstraintException exception)
        {
            throw ApiException.Unsupported(field, exception.Message);
        }
    }
}
