using System.Text.Json.Serialization;
using EdgeLlm.Generation;

namespace EdgeLlm.Server.OpenAi;

/// <summary>A whole answer.</summary>
internal sealed record ChatCompletion(string Id, long Created, string Model, string? SystemFingerprint, Choice[] Choices, Usage Usage)
{
    public string Object => "chat.completion";

    public Timings? Timings { get; init; }
}

/// <summary>Tokens that were guessed and computed several in a pass, and how many of them were right; llama.cpp's server calls them so.</summary>
internal sealed record Timings(int DraftN, int DraftNAccepted)
{
    /// <summary>Null where nothing was guessed.</summary>
    public static Timings? Of(GenerationStatistics statistics) => statistics.DraftedTokens == 0 ? null : new Timings(statistics.DraftedTokens, statistics.AcceptedTokens);
}

internal sealed record Choice(int Index, ResponseMessage Message, string FinishReason);

internal sealed record ResponseMessage(string Role, string Content);

/// <summary>A piece of an answer.</summary>
internal sealed record ChatCompletionChunk(string Id, long Created, string Model, string? SystemFingerprint, ChunkChoice[] Choices)
{
    public string Object => "chat.completion.chunk";

    public Usage? Usage { get; init; }

    public Timings? Timings { get; init; }
}

internal sealed record ChunkChoice(int Index, Delta Delta)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? FinishReason { get; init; }
}

internal sealed record Delta(string? Role = null, string? Content = null);

internal sealed record Usage(int PromptTokens, int CompletionTokens, int TotalTokens, PromptTokensDetails PromptTokensDetails)
{
    public static Usage Of(GenerationStatistics statistics) =>
        new(statistics.PromptTokens, statistics.GeneratedTokens, statistics.PromptTokens + statistics.GeneratedTokens, new PromptTokensDetails(statistics.CachedTokens));
}

internal sealed record PromptTokensDetails(int CachedTokens);
