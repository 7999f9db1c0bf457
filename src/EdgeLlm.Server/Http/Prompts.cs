using EdgeLlm.Chat;
using EdgeLlm.Generation;
using EdgeLlm.Models;

namespace EdgeLlm.Server.Http;

/// <summary>Conversations as prompts that leave room for an answer.</summary>
internal static class Prompts
{
    /// <summary>The tokens of a conversation.</summary>
    /// <param name="dropOldest">Whether the oldest turns may be left out, system turns excepted, so that a quarter of the context, or <paramref name="maxTokens"/>, is free.</param>
    /// <exception cref="ContextFullException">It is longer than the context.</exception>
    public static List<int> Encode((LanguageModel Model, ChatFormat Format) current, List<ChatMessage> messages, int maxTokens, bool dropOldest)
    {
        int capacity = current.Model.ContextLength;
        int room = dropOldest ? Math.Min(maxTokens > 0 ? maxTokens : capacity / 4, capacity / 2) : 0;
        List<int> tokens = Render();
        while (dropOldest && tokens.Count + room > capacity && DropOldestTurn(messages)) tokens = Render();
        Check(tokens.Count, capacity);
        return tokens;

        List<int> Render() => current.Format.Encode(new ChatRequest { Messages = messages });
    }

    /// <summary>An answer ends with the context at the latest.</summary>
    public static GenerationOptions Limit(GenerationOptions options, LanguageModel model, int promptTokens)
    {
        Check(promptTokens, model.ContextLength);
        int room = model.ContextLength - promptTokens + 1; // the last token is sampled and not computed
        return options with { MaxTokens = options.MaxTokens > 0 ? Math.Min(options.MaxTokens, room) : room };
    }

    private static void Check(int tokens, int capacity)
    {
        if (tokens > capacity) throw new ContextFullException(tokens, capacity);
    }

    /// <summary>Leaves out the oldest question with all that follows up to the next one; false where only the last is left.</summary>
    private static bool DropOldestTurn(List<ChatMessage> messages)
    {
        int first = messages.FindIndex(message => message.Role != "system");
        int next = first < 0 ? -1 : messages.FindIndex(first + 1, message => message.Role == "user");
        if (next < 0) return false;
        messages.RemoveRange(first, next - first);
        return true;
    }
}
