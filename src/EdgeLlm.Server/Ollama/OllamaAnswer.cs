using System.Globalization;
using System.Text.Json;
using EdgeLlm.Chat;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Server.OpenAi;

namespace EdgeLlm.Server.Ollama;

/// <summary>
/// A piece of an answer, or a whole one. `/api/chat` has it in <see cref="Message"/>, `/api/generate` in <see cref="Response"/>.
/// </summary>
internal sealed record OllamaAnswer(string Model, string CreatedAt, bool Done)
{
    public OllamaAnswerMessage? Message { get; init; }

    public string? Response { get; init; }

    /// <summary>Thoughts before the answer, of `/api/generate`.</summary>
    public string? Thinking { get; init; }

    /// <summary>Probabilities of the piece's tokens.</summary>
    public TokenProbability[]? Logprobs { get; init; }

    /// <summary>`stop`, `length`, `load` or `unload`.</summary>
    public string? DoneReason { get; init; }

    public IReadOnlyList<int>? Context { get; init; }

    /// <summary>Answers that end before this one begins, in a piece without text; 0: its turn has come. Ollama does not have it.</summary>
    public int? QueuePosition { get; init; }

    /// <summary>How much of the prompt is computed, in such a piece, where it is asked for.</summary>
    public PromptProgress? PromptProgress { get; init; }

    /// <summary>Nanoseconds, as all durations.</summary>
    public long? TotalDuration { get; init; }

    public long? LoadDuration { get; init; }

    public int? PromptEvalCount { get; init; }

    public long? PromptEvalDuration { get; init; }

    public int? EvalCount { get; init; }

    public long? EvalDuration { get; init; }

    /// <summary>The answer with its end: time spent waiting counts as loading.</summary>
    public OllamaAnswer EndOf(Answer answer, IReadOnlyList<int>? context) => this with
    {
        Done = true,
        DoneReason = answer.Statistics.WasCutShort ? "length" : "stop",
        Context = context,
        TotalDuration = Nanoseconds(answer.Elapsed),
        LoadDuration = Nanoseconds(answer.Waited),
        PromptEvalCount = answer.Statistics.PromptTokens,
        PromptEvalDuration = Nanoseconds(answer.Statistics.TimeToFirstToken),
        EvalCount = answer.Statistics.GeneratedTokens,
        EvalDuration = Nanoseconds(answer.Statistics.DecodeTime),
    };

    /// <summary>Now, as RFC 3339 with at most six digits of a second: Python's datetime.fromisoformat takes no more.</summary>
    public static string Now() => TimeOf(DateTimeOffset.UtcNow);

    public static string TimeOf(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);

    private static long Nanoseconds(TimeSpan time) => Math.Max(1, time.Ticks * 100); // clients divide by it
}

internal sealed record OllamaAnswerMessage(string Role, string Content)
{
    /// <summary>Thoughts before the answer.</summary>
    public string? Thinking { get; init; }

    /// <summary>Calls of tools, each when it is whole.</summary>
    public OllamaCall[]? ToolCalls { get; init; }
}

/// <summary>A call of a tool.</summary>
internal sealed record OllamaCall(string Id, OllamaCalledFunction Function)
{
    /// <summary>Calls, without those that were cut off, as their arguments are not whole; null for none.</summary>
    /// <param name="first">The first one's number in the answer.</param>
    public static OllamaCall[]? Of(IEnumerable<ChatToolCall> calls, int first)
    {
        OllamaCall[] all = [.. calls.Select((call, i) => Of(call, first + i)).OfType<OllamaCall>()];
        return all.Length > 0 ? all : null;
    }

    private static OllamaCall? Of(ChatToolCall call, int index)
    {
        try
        {
            using JsonDocument arguments = JsonDocument.Parse(call.Arguments);
            return new OllamaCall(call.Id ?? "", new OllamaCalledFunction(index, call.Name, arguments.RootElement.Clone()));
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <param name="Index">The call's number in the answer.</param>
/// <param name="Name">The function's name.</param>
/// <param name="Arguments">A JSON object.</param>
internal sealed record OllamaCalledFunction(int Index, string Name, JsonElement Arguments);
