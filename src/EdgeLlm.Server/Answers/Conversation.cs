using System.Text.Json;
using EdgeLlm.Chat;

namespace EdgeLlm.Server.Answers;

/// <summary>A conversation as every API gives it.</summary>
/// <param name="Turns">The turns, oldest first; shortened where the context is full and they may be.</param>
internal sealed record Conversation(List<ChatMessage> Turns)
{
    /// <summary>Tools in OpenAI's form.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>An object of further variables of the chat template.</summary>
    public JsonElement? Variables { get; init; }

    /// <summary>Whether a last turn of the assistant is continued, instead of followed by another one.</summary>
    public bool ContinuesLast { get; init; } = true;

    /// <summary>The conversation as templates take it.</summary>
    public ChatRequest ToRequest() =>
        new() { Messages = Turns, Tools = Tools, Variables = Variables, ContinueFinalMessage = ContinuesLast };
}
