namespace EdgeLlm.Chat;

/// <summary>A call of a tool that the assistant made in an earlier turn.</summary>
/// <param name="Id">What the tool's answer refers to; null where the API that was used has no ids.</param>
/// <param name="Name">The function's name.</param>
/// <param name="Arguments">The arguments: the text of a JSON object.</param>
public sealed record ChatToolCall(string? Id, string Name, string Arguments);
