namespace EdgeLlm.Assistant.Intents;

/// <summary>A call of a tool.</summary>
/// <param name="Tool">Its name.</param>
/// <param name="Arguments">Text of a JSON object.</param>
internal sealed record ToolCall(string Tool, string Arguments);

/// <summary>Kinds of sentences.</summary>
internal enum RouteKind
{
    /// <summary>None that the router knows: the model's.</summary>
    None,

    /// <summary>Tools to call.</summary>
    Calls,

    /// <summary>A yes.</summary>
    Yes,

    /// <summary>A no.</summary>
    No,

    /// <summary>The person wants silence.</summary>
    Quit,

    /// <summary>Only something to say.</summary>
    Answer,
}

/// <summary>Intent of a sentence.</summary>
/// <param name="Kind">Kind of sentence.</param>
/// <param name="Words">The language that it is in.</param>
/// <param name="Calls">Tools to call, in order.</param>
/// <param name="Answer">What to say; null: what the tools say.</param>
internal sealed record Route(RouteKind Kind, Vocabulary Words, IReadOnlyList<ToolCall> Calls, string? Answer = null)
{
    /// <summary>Whether it is only near to what was said: what it moves takes a yes.</summary>
    public bool IsGuess { get; init; }
}
