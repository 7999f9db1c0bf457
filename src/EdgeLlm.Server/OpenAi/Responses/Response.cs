using System.Text.Json;
using System.Text.Json.Serialization;
using EdgeLlm.Generation;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.OpenAi.Responses;

/// <summary>A response of OpenAI's responses API.</summary>
internal sealed record Response(string Id, long CreatedAt, string Model)
{
    public string Object => "response";

    /// <summary>`in_progress`, `completed`, `incomplete` or `failed`.</summary>
    public string Status { get; init; } = "in_progress";

    public bool Background => false;

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public ResponseError? Error { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IncompleteDetails? IncompleteDetails { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Instructions { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public int? MaxOutputTokens { get; init; }

    public OutputItem[] Output { get; init; } = [];

    public bool ParallelToolCalls { get; init; } = true;

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? PreviousResponseId { get; init; }

    public JsonElement? Reasoning { get; init; }

    public bool Store { get; init; }

    public float Temperature { get; init; }

    public JsonElement Text { get; init; }

    public JsonElement ToolChoice { get; init; }

    public JsonElement Tools { get; init; }

    public int TopLogprobs { get; init; }

    public float TopP { get; init; }

    public string Truncation { get; init; } = "disabled";

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public ResponseUsage? Usage { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? User { get; init; }

    public JsonElement Metadata { get; init; }

    /// <summary>Warnings: parts of the tools' schemas that the answer was not held to, and whether it satisfies them.</summary>
    public IReadOnlyList<string>? Warnings { get; init; }
}

internal sealed record ResponseError(string Code, string Message);

/// <param name="Reason">`max_output_tokens`.</param>
internal sealed record IncompleteDetails(string Reason);

/// <summary>A part of a response's output: `message`, `reasoning`, `function_call` or `custom_tool_call`.</summary>
internal sealed record OutputItem(string Id, string Type)
{
    public string? Status { get; init; }

    public string? Role { get; init; }

    public OutputPart[]? Content { get; init; }

    /// <summary>Of reasoning: summaries, of which there are none.</summary>
    public OutputPart[]? Summary { get; init; }

    /// <summary>Of a call: what its result refers to.</summary>
    public string? CallId { get; init; }

    /// <summary>The tool's name.</summary>
    public string? Name { get; init; }

    /// <summary>JSON text.</summary>
    public string? Arguments { get; init; }

    /// <summary>A custom tool's text.</summary>
    public string? Input { get; init; }
}

/// <summary>A text of an item: `output_text`, or `reasoning_text`.</summary>
internal sealed record OutputPart(string Type, string Text)
{
    public JsonElement? Annotations { get; init; }

    public IReadOnlyList<TokenProbability>? Logprobs { get; init; }
}

internal sealed record ResponseUsage(int InputTokens, InputTokensDetails InputTokensDetails, int OutputTokens,
    OutputTokensDetails OutputTokensDetails, int TotalTokens)
{
    public static ResponseUsage Of(GenerationStatistics statistics) => new(
        statistics.PromptTokens, new InputTokensDetails(statistics.CachedTokens), statistics.GeneratedTokens, new OutputTokensDetails(0),
        statistics.PromptTokens + statistics.GeneratedTokens);
}

internal sealed record InputTokensDetails(int CachedTokens);

internal sealed record OutputTokensDetails(int ReasoningTokens);

/// <summary>An event of a stream; which fields it has depends on its type.</summary>
internal sealed record ResponseEvent(string Type, int SequenceNumber)
{
    public Response? Response { get; init; }

    public string? ItemId { get; init; }

    public int? OutputIndex { get; init; }

    public int? ContentIndex { get; init; }

    public OutputItem? Item { get; init; }

    public OutputPart? Part { get; init; }

    public string? Delta { get; init; }

    public string? Text { get; init; }

    public string? Name { get; init; }

    public string? Arguments { get; init; }

    public string? Input { get; init; }

    public IReadOnlyList<TokenProbability>? Logprobs { get; init; }
}

/// <summary>The answer of `DELETE /v1/responses/{id}`.</summary>
internal sealed record DeletedResponse(string Id)
{
    public string Object => "response";

    public bool Deleted => true;
}

/// <summary>How the types of the responses API are written as JSON; generated, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(WholeInt32), typeof(WholeInt64)])]
[JsonSerializable(typeof(ResponseRequest))]
[JsonSerializable(typeof(Response))]
[JsonSerializable(typeof(ResponseEvent))]
[JsonSerializable(typeof(DeletedResponse))]
internal sealed partial class ResponseJson : JsonSerializerContext;
