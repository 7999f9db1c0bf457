using System.Text;
using System.Text.Json;
using EdgeLlm.Chat;
using EdgeLlm.Chat.Tools;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.OpenAi;

/// <summary>One message of a request.</summary>
internal sealed record RequestMessage
{
    public string? Role { get; init; }

    /// <summary>A text, or parts of which only texts are taken; null where an assistant only called tools.</summary>
    public JsonElement? Content { get; init; }

    public string? Name { get; init; }

    public string? ToolCallId { get; init; }

    public List<RequestToolCall?>? ToolCalls { get; init; }

    /// <summary>The call where the conversation has OpenAI's old functions.</summary>
    public RequestFunction? FunctionCall { get; init; }

    /// <summary>An assistant's thoughts before its answer, as vLLM, DeepSeek and this service give them.</summary>
    public JsonElement? ReasoningContent { get; init; }

    /// <param name="message">The message.</param>
    /// <param name="name">Its place in the request, such as `messages[2]`.</param>
    /// <exception cref="ApiException">It is null, its role is unknown, or its content no text.</exception>
    public static ChatMessage ToTurn(RequestMessage? message, string name) =>
        (message ?? throw ApiException.Field(name, "is null")).ToTurn(name);

    private ChatMessage ToTurn(string name)
    {
        string? given = Role?.ToLowerInvariant();
        string role = given switch
        {
            "system" or "developer" => "system",
            "user" or "assistant" => given,
            "tool" or "function" => "tool",
            _ => throw ApiException.Field($"{name}.role", $"is '{Role}'; it has to be system, developer, user, assistant or tool"),
        };
        return new ChatMessage(role, TextOf(Content, $"{name}.content"))
        {
            Name = Name,
            ToolCallId = ToolCallId,
            ReasoningContent = ReasoningContent is { ValueKind: JsonValueKind.String } thought ? thought.GetString() : null,
            ToolCalls = FunctionCall is { } only
                ? [new ChatToolCall(null, only.Name ?? "", only.Arguments ?? "{}")]
                : [.. (ToolCalls ?? []).Select((call, i) =>
                    (call ?? throw ApiException.Field($"{name}.tool_calls[{i}]", "is null")).ToCall())],
        };
    }

    /// <summary>A content of one text or of parts that are texts.</summary>
    /// <exception cref="ApiException">It is something else.</exception>
    public static string TextOf(JsonElement? content, string name)
    {
        switch (content?.ValueKind)
        {
            case null or JsonValueKind.Null: return "";
            case JsonValueKind.String: return content.Value.GetString()!;
            case not JsonValueKind.Array: throw ApiException.Field(name, "has to be a text or a list of parts");
        }
        var text = new StringBuilder();
        foreach (JsonElement part in content.Value.EnumerateArray())
        {
            string? type = part.ValueKind == JsonValueKind.Object && part.TryGetProperty("type", out JsonElement kind)
                && kind.ValueKind == JsonValueKind.String ? kind.GetString() : null;
            if (type == "thinking" || type == "reasoning") continue; // what was thought before is not said
            if (type is not ("text" or "input_text" or "output_text" or "refusal") || !part.TryGetProperty("text", out JsonElement words)
                || words.ValueKind != JsonValueKind.String)
                throw ApiException.Unsupported(name, $"a part of type '{type}' is not taken: this model reads text only");
            text.Append(words.GetString());
        }
        return text.ToString();
    }
}

/// <summary>A call that the assistant made in an earlier turn.</summary>
internal sealed record RequestToolCall(string? Id, RequestFunction? Function)
{
    /// <summary>The call of a custom tool.</summary>
    public CalledCustom? Custom { get; init; }

    public ChatToolCall ToCall() => Custom is { } custom
        ? new ChatToolCall(Id, custom.Name ?? "", $"{{\"{ToolDefinition.Input}\": \"{JsonEncodedText.Encode(custom.Input ?? "")}\"}}")
        : new ChatToolCall(Id, Function?.Name ?? "", Function?.Arguments ?? "{}");
}

/// <param name="Name">What was called.</param>
/// <param name="Arguments">JSON text.</param>
internal sealed record RequestFunction(string? Name, string? Arguments);
