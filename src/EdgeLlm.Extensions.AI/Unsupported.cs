using EdgeLlm.Models;
using Microsoft.Extensions.AI;

namespace EdgeLlm.Extensions.AI;

/// <summary>
/// Requests that would get another answer than they ask for. To ignore what they ask would look right and be wrong, so they are refused by
/// name. Hints (reasoning effort, additional properties of other engines) are ignored.
/// </summary>
internal static class Unsupported
{
    private static readonly ChatRole Developer = new("developer");

    /// <exception cref="NotSupportedException">The options ask for something that the engine can't do yet.</exception>
    /// <exception cref="ArgumentException">They name another model.</exception>
    public static void Refuse(ChatOptions? options, LanguageModel model)
    {
        if (options is null) return;
        RefuseOtherModel(options.ModelId, model.Name);
        if (options.ConversationId is not null)
            throw new NotSupportedException(
                "ConversationId: conversations are not kept here; send all messages with each request (what they share is not computed "
                    + "again)");
        if (options.Tools is not { Count: > 0 } tools || options.ToolMode is NoneChatToolMode) return;
        if (tools.FirstOrDefault(tool => tool is not AIFunctionDeclaration) is { } other)
            throw new NotSupportedException($"Tools: {other.Name} ({other.GetType().Name}) is not a function");
    }

    /// <exception cref="ArgumentException">The request names another model.</exception>
    public static void RefuseOtherModel(string? modelId, string name)
    {
        if (modelId is null || modelId.Equals(name, StringComparison.OrdinalIgnoreCase)) return;
        throw new ArgumentException($"ModelId is '{modelId}', and the model here is '{name}'", nameof(modelId));
    }

    /// <exception cref="ArgumentException">There is no message, or one has an unknown role.</exception>
    /// <exception cref="NotSupportedException">A message has content that the model can't read.</exception>
    public static void Refuse(IReadOnlyList<ChatMessage> messages)
    {
        if (messages.Count == 0) throw new ArgumentException("there are no messages to answer", nameof(messages));
        for (int i = 0; i < messages.Count; i++)
        {
            ChatMessage message = messages[i] ?? throw new ArgumentException($"messages[{i}] is null", nameof(messages));
            if (message.Role != ChatRole.System && message.Role != ChatRole.User && message.Role != ChatRole.Assistant
                && message.Role != ChatRole.Tool && message.Role != Developer)
                throw new ArgumentException(
                    $"messages[{i}] has the role '{message.Role}'; it must be system, user, assistant or tool", nameof(messages));
            if (message.Contents.FirstOrDefault(content => content
                is not (TextContent or TextReasoningContent or FunctionCallContent or FunctionResultContent or UsageContent)) is { } unread)
                throw new NotSupportedException($"messages[{i}] has {unread.GetType().Name}: this model reads text only");
        }
    }

    /// <summary>The role's name in chat templates: OpenAI's developer is their system.</summary>
    public static string NameOf(ChatRole role) => role == Developer ? "system" : role.Value;
}
