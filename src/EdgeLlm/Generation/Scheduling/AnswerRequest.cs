namespace EdgeLlm.Generation.Scheduling;

/// <summary>Which requests a <see cref="Scheduler"/> serves first.</summary>
public enum AnswerPriority
{
    /// <summary>Somebody listens: before all others, and beyond <see cref="SchedulerOptions.Parallel"/>.</summary>
    Voice,

    /// <summary>Somebody reads.</summary>
    Chat,

    /// <summary>Nobody waits: after all others.</summary>
    Batch,
}

/// <summary>Request to a <see cref="Scheduler"/>.</summary>
/// <param name="Prompt">Token ids, at least one; see <see cref="Tokenization.Tokenizer.Encode(string, bool, bool)"/>.</param>
public sealed record AnswerRequest(IReadOnlyList<int> Prompt)
{
    /// <summary>How to answer.</summary>
    public GenerationOptions Options { get; init; } = new();

    /// <summary>Who asks: clients take turns, whoever asks more.</summary>
    public string Client { get; init; } = "";

    /// <summary>Its place among the requests of all clients.</summary>
    public AnswerPriority Priority { get; init; } = AnswerPriority.Chat;

    /// <summary>
    /// Gives a shorter prompt when the context is full after that number of tokens of the answer, or null where nothing can be dropped;
    /// null: the answer ends there.
    /// </summary>
    internal Func<int, IReadOnlyList<int>?>? Shorten { get; init; }

    /// <summary>Disposed of when the answer has ended and nothing computes for it any more.</summary>
    internal IDisposable? Hold { get; init; }
}
