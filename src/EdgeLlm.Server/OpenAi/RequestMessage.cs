using System.Text;
using System.Text.Json;
using EdgeLlm.Chat;
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

    /// <param name="name">The message's place in the request, such as `messages[2]`.</param>
    /// <exception cref="ApiException">The role is unknown, or the content no text.</exception>
    public ChatMessage ToTurn(string name)
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
            ToolCalls = [.. (ToolCalls ?? []).Select((call, i) => call is null
                ? throw ApiException.Field($"{name}.tool_calls[{i}]", "is null")
                : new ChatToolCall(call.Id, call.Function?.Name ?? "", call.Function?.Arguments ?? "{}"))],
        };
    }

    private static string TextOf(JsonElement? content, string name)
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
            string? type = part.ValueKind == JsonValueKind.Object && part.TryGetProperty("type", out JsonElement kind) && kind.ValueKind == JsonValueKind.String ? kind.GetString() : null;
            if (type != "text" || !part.TryGetProperty("text", out JsonElement words) || words.ValueKind != JsonValueKind.String)
                throw ApiException.Unsupported(name, $"a part of type '{type}' is not taken: this model reads text only");
            text.Append(words.GetString());
        }
        return text.ToString();
    }
}

/// <summary>A call that the assistant made in an earlier turn.</summary>
internal sealed record RequestToolCall(string? Id, RequestFunction? Function);

/// <param name="Name">What was called.</param>
/// <param name="Arguments">JSON text.</param>
internal sealed record RequestFunction(string? Name, string? Arguments);
