using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat;

/// <summary>A message on its way into a template: with marked text, and rewritten where the template cannot express it.</summary>
internal sealed record RequestTurn(string Role, StringValue Content, ChatMessage Source)
{
    public IReadOnlyList<ChatToolCall> ToolCalls { get; init; } = Source.ToolCalls;
}
