using System.Text.Json.Serialization;
using EdgeLlm.Generation;
using EdgeLlm.Server.Answers;

namespace EdgeLlm.Server.OpenAi;

/// <summary>A whole answer.</summary>
internal sealed record ChatCompletion(string Id, long Created, string Model, string? SystemFingerprint, Choice[] Choices, Usage Usage)
{
    public string Object => "chat.completion";

    public Timings? Timings { get; init; }

    /// <summary>Warnings: parts of the tools' schemas that the answer was not held to, and whether it satisfies them.</summary>
    public IReadOnlyList<string>? Warnings { get; init; }
}

internal sealed record Choice(int Index, ResponseMessage Message, string FinishReason)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public ChatProbabilities? Logprobs { get; init; }
}

internal sealed record ResponseMessage(string Role)
{
    /// <summary>The text; null where the model only calls tools.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Content { get; init; }

    public ResponseToolCall[]? ToolCalls { get; init; }

    /// <summary>The call where the request had `functions`.</summary>
    public CalledFunction? FunctionCall { get; init; }

    /// <summary>Thoughts before the answer.</summary>
    public string? ReasoningContent { get; init; }
}

/// <summary>A call of a tool, or, with its index, a piece of one.</summary>
internal sealed record ResponseToolCall
{
    /// <summary>In a stream: the call's number.</summary>
    public int? Index { get; init; }

    public string? Id { get; init; }

    public string? Type { get; init; }

    public CalledFunction? Function { get; init; }

    public CalledCustom? Custom { get; init; }
}

/// <param name="Name">The function's name.</param>
/// <param name="Arguments">JSON text, or a piece of it.</param>
internal sealed record CalledFunction(string? Name, string? Arguments);

/// <param name="Name">The tool's name.</param>
/// <param name="Input">Its text.</param>
internal sealed record CalledCustom(string? Name, string? Input);

/// <summary>A piece of an answer.</summary>
internal sealed record ChatCompletionChunk(string Id, long Created, string Model, string? SystemFingerprint, ChunkChoice[] Choices)
{
    public string Object => "chat.completion.chunk";

    public Usage? Usage { get; init; }

    public Timings? Timings { get; init; }

    public IReadOnlyList<string>? Warnings { get; init; }

    public PromptProgress? PromptProgress { get; init; }
}

internal sealed record ChunkChoice(int Index, Delta Delta)
{
    public ChatProbabilities? Logprobs { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? FinishReason { get; init; }
}

/// <summary>How far a prompt is computed, as llama.cpp tells it.</summary>
/// <param name="Total">Tokens of the prompt.</param>
/// <param name="Cache">How many of them were in the cache.</param>
/// <param name="Processed">How many are done, those in the cache among them.</param>
/// <param name="TimeMs">Since its turn came.</param>
internal sealed record PromptProgress(int Total, int Cache, int Processed, long TimeMs)
{
    /// <summary>That of a request's first answer.</summary>
    public static PromptProgress Of(AnswerRun run)
    {
        (int total, int cached, int computed, TimeSpan time) = run.PromptProgress;
        return new PromptProgress(total, cached, computed, (long)time.TotalMilliseconds);
    }
}

internal sealed record Delta(string? Role = null, string? Content = null)
{
    public ResponseToolCall[]? ToolCalls { get; init; }

    public CalledFunction? FunctionCall { get; init; }

    public string? ReasoningContent { get; init; }
}

internal sealed record Usage(int PromptTokens, int CompletionTokens, int TotalTokens, PromptTokensDetails PromptTokensDetails)
{
    public static Usage Of(GenerationStatistics statistics) =>
        new(statistics.PromptTokens, statistics.GeneratedTokens, statistics.PromptTokens + statistics.GeneratedTokens,
            new PromptTokensDetails(statistics.CachedTokens));
}

internal sealed record PromptTokensDetails(int CachedTokens);

/// <summary>Times and counts of an answer, as llama.cpp's server writes them; times in milliseconds.</summary>
/// <param name="CacheN">Prompt tokens that were in the cache.</param>
/// <param name="PromptN">Prompt tokens that were computed.</param>
/// <param name="PredictedN">Tokens of the answer.</param>
internal sealed record Timings(int CacheN, int PromptN, double PromptMs, double PromptPerTokenMs, double PromptPerSecond,
    int PredictedN, double PredictedMs, double PredictedPerTokenMs, double PredictedPerSecond)
{
    /// <summary>Tokens that were guessed and computed several in a pass; null where none was.</summary>
    public int? DraftN { get; init; }

    /// <summary>How many of them were right.</summary>
    public int? DraftNAccepted { get; init; }

    public static Timings Of(GenerationStatistics statistics)
    {
        int computed = statistics.PromptTokens - statistics.CachedTokens;
        double prompt = Math.Max(statistics.TimeToFirstToken.TotalMilliseconds, 0.001),
            decode = Math.Max(statistics.DecodeTime.TotalMilliseconds, 0.001);
        bool drafts = statistics.DraftedTokens > 0;
        return new Timings(
            statistics.CachedTokens, computed, prompt, prompt / Math.Max(computed, 1), 1000 * computed / prompt,
            statistics.GeneratedTokens, decode, decode / Math.Max(statistics.GeneratedTokens, 1),
            1000 * statistics.GeneratedTokens / decode)
        {
            DraftN = drafts ? statistics.DraftedTokens : null,
            DraftNAccepted = drafts ? statistics.AcceptedTokens : null,
        };
    }
}
