namespace EdgeLlm.Chat;

/// <summary>One turn of a conversation.</summary>
/// <param name="Role">Who speaks: <c>system</c>, <c>user</c>, <c>assistant</c>, <c>tool</c>, or another role that the model knows.</param>
/// <param name="Content">What is said; empty where an assistant's turn only calls tools.</param>
public sealed record ChatMessage(string Role, string Content)
{
    /// <summary>The tools that the assistant calls in this turn.</summary>
    public IReadOnlyList<ChatToolCall> ToolCalls { get; init; } = [];

    /// <summary>For a turn of role <c>tool</c>: the id of the call that it answers.</summary>
    public string? ToolCallId { get; init; }

    /// <summary>For a turn of role <c>tool</c>: the name of the function that it answers for; else the speaker's name.</summary>
    public string? Name { get; init; }

    /// <summary>Thoughts of the assistant before it answered; templates decide whether a model sees them again.</summary>
    public string? ReasoningContent { get; init; }
}

/// <summary>A call of a tool that the assistant made in an earlier turn.</summary>
/// <param name="Id">What the tool's answer refers to; null where the API that was used has no ids.</param>
/// <param name="Name">The function's name.</param>
/// <param name="Arguments">The arguments: the text of a JSON object.</param>
public sealed record ChatToolCall(string? Id, string Name, string Arguments);
