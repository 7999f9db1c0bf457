using System.Text.Json;
using System.Text.Json.Serialization;
using EdgeLlm.Generation;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.Anthropic;

/// <summary>An answer.</summary>
internal sealed record Message(string Id, string Model, ContentBlock[] Content, MessageUsage Usage)
{
    public string Type => "message";

    public string Role => "assistant";

    /// <summary>`end_turn`, `max_tokens`, `stop_sequence` or `tool_use`; null while it is computed.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? StopReason { get; init; }

    /// <summary>The stop string that ended it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? StopSequence { get; init; }
}

/// <summary>A block of an answer: `text`, `thinking` or `tool_use`.</summary>
internal sealed record ContentBlock(string Type)
{
    public string? Text { get; init; }

    public string? Thinking { get; init; }

    /// <summary>Of a thought: nothing is signed here.</summary>
    public string? Signature { get; init; }

    /// <summary>Of a call of a tool: its id.</summary>
    public string? Id { get; init; }

    /// <summary>The tool's name.</summary>
    public string? Name { get; init; }

    /// <summary>The arguments, an object; empty where they are streamed.</summary>
    public JsonElement? Input { get; init; }

    public static ContentBlock OfCall(string? id, string name, string arguments) =>
        new("tool_use") { Id = id, Name = name, Input = JsonSerializer.Deserialize(arguments, AnthropicJson.Default.JsonElement) };

    public static ContentBlock OfText(string text) => new("text") { Text = text };

    public static ContentBlock OfThought(string thought) => new("thinking") { Thinking = thought, Signature = "" };
}

/// <param name="InputTokens">Tokens of the prompt that were computed.</param>
/// <param name="CacheReadInputTokens">Those that were in the cache.</param>
internal sealed record MessageUsage(int InputTokens, int OutputTokens, int CacheReadInputTokens)
{
    public int CacheCreationInputTokens => 0;

    public static MessageUsage Of(GenerationStatistics statistics) =>
        new(statistics.PromptTokens - statistics.CachedTokens, statistics.GeneratedTokens, statistics.CachedTokens);
}

/// <summary>An event of a stream; which fields it has depends on its type.</summary>
internal sealed record MessageEvent(string Type)
{
    public Message? Message { get; init; }

    public int? Index { get; init; }

    public ContentBlock? ContentBlock { get; init; }

    public BlockDelta? Delta { get; init; }

    public MessageUsage? Usage { get; init; }
}

/// <summary>Change of a block (`text_delta`, `thinking_delta`, `input_json_delta`) or, without a type, of the message.</summary>
internal sealed record BlockDelta
{
    public string? Type { get; init; }

    public string? Text { get; init; }

    public string? Thinking { get; init; }

    public string? PartialJson { get; init; }

    public string? StopReason { get; init; }

    public string? StopSequence { get; init; }
}

/// <summary>The answer of `POST /v1/messages/count_tokens`.</summary>
internal sealed record TokenCount(int InputTokens);

/// <summary>Anthropic's error.</summary>
internal sealed record AnthropicError(AnthropicErrorDetails Error)
{
    public string Type => "error";

    public static AnthropicError Of(ApiError error) => new(new AnthropicErrorDetails(TypeOf(error.Status), error.Message));

    private static string TypeOf(int status) => status switch
    {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 or 529 => "overloaded_error",
        >= 500 => "api_error",
        _ => "invalid_request_error",
    };
}

internal sealed record AnthropicErrorDetails(string Type, string Message);

/// <summary>Models as Anthropic's API lists them.</summary>
internal sealed record AnthropicModels(AnthropicModel[] Data, string? FirstId, string? LastId)
{
    public bool HasMore => false;

    public static AnthropicModels Of(IEnumerable<ServedModel> all)
    {
        AnthropicModel[] models =
            [.. all.Select(model => new AnthropicModel(model.Name, model.Name,
                model.Modified.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture)))];
        return new AnthropicModels(models, models.FirstOrDefault()?.Id, models.LastOrDefault()?.Id);
    }
}

internal sealed record AnthropicModel(string Id, string DisplayName, string CreatedAt)
{
    public string Type => "model";
}

/// <summary>How the types of Anthropic's API are written as JSON; generated, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(WholeInt32), typeof(WholeInt64)])]
[JsonSerializable(typeof(MessagesRequest))]
[JsonSerializable(typeof(Message))]
[JsonSerializable(typeof(JsonElement))]
[JsonSerializable(typeof(MessageEvent))]
[JsonSerializable(typeof(TokenCount))]
[JsonSerializable(typeof(AnthropicError))]
[JsonSerializable(typeof(AnthropicModels))]
internal sealed partial class AnthropicJson : JsonSerializerContext;
