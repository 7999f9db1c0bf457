using System.Text.Json;
using EdgeLlm.Chat;
using EdgeLlm.Generation;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.Ollama;

/// <summary>The body of `POST /api/chat`.</summary>
internal sealed record OllamaChatRequest : OllamaRequest
{
    public List<OllamaMessage?>? Messages { get; init; }

    public JsonElement? Tools { get; init; }

    /// <param name="usual">The service's policy for a full context.</param>
    /// <exception cref="ApiException">A field is wrong, or asks for what this version does not do.</exception>
    public GenerationRequest ToRequest(ServedModel served, ContextPolicy? usual)
    {
        List<ChatMessage> turns =
            [.. Messages!.Select((message, i) =>
                (message ?? throw ApiException.Field($"messages[{i}]", "is null")).ToTurn($"messages[{i}]"))];
        return RequestFor(served, usual) with
        {
            Tools = RequestTools.Of(Tools, choice: null),
            Conversation = new Conversation(turns) { Variables = Thinking.Variables(null, ThinkingEffort.Thinks, ThinkingEffort.Effort) },
        };
    }
}

/// <summary>A message of a request.</summary>
internal sealed record OllamaMessage
{
    public string? Role { get; init; }

    public string? Content { get; init; }

    public string? Thinking { get; init; }

    public JsonElement? Images { get; init; }

    public string? ToolName { get; init; }

    public string? ToolCallId { get; init; }

    public List<OllamaToolCall?>? ToolCalls { get; init; }

    /// <param name="name">The message's place in the request, such as `messages[2]`.</param>
    /// <exception cref="ApiException">The role is unknown, or there are images.</exception>
    public ChatMessage ToTurn(string name)
    {
        if (Fields.IsSet(Images)) throw ApiException.Unsupported($"{name}.images", "this model reads text only");
        string role = Role?.ToLowerInvariant() ?? "";
        if (role == "developer") role = "system";
        if (role is not ("system" or "user" or "assistant" or "tool"))
            throw ApiException.Field($"{name}.role", $"is '{Role}'; it has to be system, user, assistant or tool");
        return new ChatMessage(role, Content ?? "")
        {
            Name = ToolName,
            ToolCallId = ToolCallId,
            ReasoningContent = Thinking,
            ToolCalls = [.. (ToolCalls ?? []).Select((call, i) => call is null
                ? throw ApiException.Field($"{name}.tool_calls[{i}]", "is null")
                : new ChatToolCall(call.Id, call.Function?.Name ?? "", call.Function?.Arguments?.GetRawText() ?? "{}"))],
        };
    }
}

/// <summary>A call that the assistant made in an earlier turn.</summary>
internal sealed record OllamaToolCall(string? Id, OllamaFunction? Function);

/// <param name="Name">What was called.</param>
/// <param name="Arguments">An object.</param>
internal sealed record OllamaFunction(string? Name, JsonElement? Arguments);
