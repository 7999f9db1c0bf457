using System.Text.Json;
using EdgeLlm.Sampling.Constraints;
using EdgeLlm.Server.OpenAi;

namespace EdgeLlm.Server.Http;

/// <summary>Forms that requests ask an answer to have. What can't be kept is refused: an answer that only looks right is worse than none.</summary>
internal static class Constraints
{
    /// <summary>Of OpenAI's `response_format`, llama.cpp's `grammar` and `json_schema`.</summary>
    /// <exception cref="ApiException">It is wrong or not supported, or there are several.</exception>
    public static OutputConstraint? Of(ResponseFormat? format, JsonElement? grammar, JsonElement? schema)
    {
        OutputConstraint? constraint = format?.Type switch
        {
            null or "text" => null,
            "json_object" when !Fields.IsSet(format.Schema) => OutputConstraint.AnyJsonObject,
            "json_object" => Of("response_format.schema", format.Schema!.Value),
            "json_schema" when format.JsonSchema?.Schema is { } given => Of("response_format.json_schema.schema", given),
            "json_schema" when format.Schema is { } given => Of("response_format.schema", given),
            "json_schema" => throw ApiException.Field("response_format.json_schema.schema", "is missing"),
            var other => throw ApiException.Unsupported("response_format", $"'{other}' is not known; text, json_object and json_schema are"),
        };
        bool hasGrammar = Fields.IsSet(grammar), hasSchema = Fields.IsSet(schema);
        if ((constraint is null ? 0 : 1) + (hasGrammar ? 1 : 0) + (hasSchema ? 1 : 0) > 1) throw ApiException.Field("response_format", "can't be given beside grammar or json_schema, nor both of these");
        if (hasSchema) return Of("json_schema", schema!.Value);
        if (!hasGrammar) return constraint;
        if (grammar!.Value.ValueKind != JsonValueKind.String) throw ApiException.Field("grammar", "has to be a text");
        return Checked("grammar", () => OutputConstraint.Gbnf(grammar.Value.GetString()!));
    }

    /// <summary>Of Ollama's `format`: `json` or a schema.</summary>
    /// <exception cref="ApiException">It is wrong or not supported.</exception>
    public static OutputConstraint? Of(JsonElement? format) => format?.ValueKind switch
    {
        JsonValueKind.String when format.Value.GetString() is "json" => OutputConstraint.AnyJsonObject,
        JsonValueKind.Object => Of("format", format.Value),
        _ when !Fields.IsSet(format) => null,
        _ => throw new ApiException(400, "invalid format: expected \"json\" or a JSON schema"),
    };

    private static OutputConstraint Of(string field, JsonElement schema) => Checked(field, () => OutputConstraint.JsonSchema(schema));

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
