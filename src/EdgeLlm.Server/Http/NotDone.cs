using System.Text.Json;

namespace EdgeLlm.Server.Http;

/// <summary>
/// Fields of these and similar APIs that ask for what this version does not do. To ignore one would give an answer that looks right and is
/// not what was asked for, so it is refused by name. Fields that are hints (`user`, `store`, `reasoning_effort`) are not here: they are
/// ignored.
/// </summary>
internal static class NotDone
{
    private const string Functions = "this API has tools in the field tools";
    private const string WebSearch = "the service does not search the web";
    private const string Formats = "this field does not give an answer's form here";
    private const string Probabilities = "these probabilities are not given";
    private const string Sampler = "this sampler is not supported";
    private const string TextOnly = "this model reads and writes text only";

    private static readonly Dictionary<string, string> Reasons = new()
    {
        ["functions"] = Functions,
        ["function_call"] = Functions,
        ["web_search_options"] = WebSearch,
        ["grammar"] = Formats,
        ["json_schema"] = Formats,
        ["guided_whitespace_pattern"] = Formats,
        ["prompt_logprobs"] = Probabilities,
        ["post_sampling_probs"] = Probabilities,
        ["mirostat"] = Sampler,
        ["xtc_probability"] = Sampler,
        ["dynatemp_range"] = Sampler,
        ["min_tokens"] = Sampler,
        ["audio"] = TextOnly,
        ["modalities"] = TextOnly,
    };

    /// <summary>Values by which a field asks for nothing, beside null, false, 0 and what is empty.</summary>
    private static readonly string[] Off = ["none", "auto", "text"];

    /// <exception cref="ApiException">A field asks for what is not done.</exception>
    public static void Refuse(IReadOnlyDictionary<string, JsonElement>? fields)
    {
        foreach ((string name, JsonElement value) in fields ?? new Dictionary<string, JsonElement>())
        {
            if (Reasons.TryGetValue(name, out string? reason) && Asks(value)) throw ApiException.Unsupported(name, reason);
        }
    }

    private static bool Asks(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => Fields.IsSet(value) && !Off.Contains(value.GetString()),
        JsonValueKind.Array => value.EnumerateArray().Any(Asks),
        _ => Fields.IsSet(value),
    };
}
