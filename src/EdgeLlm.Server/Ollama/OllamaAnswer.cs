using System.Globalization;
using EdgeLlm.Generation.Scheduling;

namespace EdgeLlm.Server.Ollama;

/// <summary>A piece of an answer, or a whole one. `/api/chat` has it in <see cref="Message"/>, `/api/generate` in <see cref="Response"/>.</summary>
internal sealed record OllamaAnswer(string Model, string CreatedAt, bool Done)
{
    public OllamaAnswerMessage? Message { get; init; }

    public string? Response { get; init; }

    /// <summary>`stop`, `length`, `load` or `unload`.</summary>
    public string? DoneReason { get; init; }

    public IReadOnlyList<int>? Context { get; init; }

    /// <summary>Answers that end before this one begins, in a piece without text; 0: its turn has come. Ollama does not have it.</summary>
    public int? QueuePosition { get; init; }

    /// <summary>Nanoseconds, as all durations.</summary>
    public long? TotalDuration { get; init; }

    public long? LoadDuration { get; init; }

    public int? PromptEvalCount { get; init; }

    public long? PromptEvalDuration { get; init; }

    public int? EvalCount { get; init; }

    public long? EvalDuration { get; init; }

    /// <summary>The same, with the end of an answer: what it waited counts as loading.</summary>
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

    public static string TimeOf(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);

    private static long Nanoseconds(TimeSpan time) => Math.Max(1, time.Ticks * 100); // clients divide by it
}

internal sealed record OllamaAnswerMessage(string Role, string Content);
