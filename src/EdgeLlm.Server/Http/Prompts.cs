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
        while (dropOldest && tokens.Count + room > capacity && DropOldestTurns(messages, (double)(tokens.Count + room - capacity) / tokens.Count)) tokens = Render();
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

    /// <summary>
    /// Leaves out the oldest questions, each with all that follows up to the next one, until about this share of the text is gone; false where only the
    /// last question is left. (One by one, each with a new rendering, would take a long conversation's square.)
    /// </summary>
    private static bool DropOldestTurns(List<ChatMessage> messages, double share)
    {
        double excess = share * messages.Sum(message => message.Content.Length);
        int first = messages.FindIndex(message => message.Role != "system"), end = first;
        while (excess > 0 || end == first)
        {
            int next = end < 0 ? -1 : messages.FindIndex(end + 1, message => message.Role == "user");
            if (next < 0) break;
            excess -= messages.GetRange(end, next - end).Sum(message => message.Content.Length);
            end = next;
        }
        if (end <= first) return false;
        messages.RemoveRange(first, end - first);
        return true;
    }
}
