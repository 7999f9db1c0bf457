using EdgeLlm.Chat;

namespace EdgeLlm.Generation;

/// <summary>
/// Fits a conversation into a context: its oldest questions are left out, each with all that follows up to the next one. System turns and
/// the last question stay.
/// </summary>
internal static class PromptFitter
{
    /// <summary>
    /// Tokens to keep free for an answer: what was asked for, else a quarter of the context, but never more than half of it.
    /// </summary>
    /// <param name="maxTokens">Most tokens of the answer, or 0.</param>
    public static int RoomFor(int maxTokens, int capacity) => Math.Min(maxTokens > 0 ? maxTokens : capacity / 4, capacity / 2);

    /// <summary>
    /// The tokens of a conversation, without as many of its oldest turns as it takes; more than there is place for where nothing is left to
    /// drop.
    /// </summary>
    /// <param name="messages">The turns; those that are left out are removed.</param>
    /// <param name="most">Most tokens that they may take.</param>
    /// <param name="render">Gives the tokens of <paramref name="messages"/> as they are.</param>
    /// <param name="beforeNext">Called before each further rendering: may end it by an exception.</param>
    public static List<int> Fit(List<ChatMessage> messages, int most, Func<List<int>> render, Action? beforeNext = null)
    {
        List<int> tokens = render();
        while (tokens.Count > most && DropOldest(messages, (double)(tokens.Count - most) / tokens.Count))
        {
            beforeNext?.Invoke();
            tokens = render();
        }
        return tokens;
    }

    /// <summary>
    /// In the middle of an answer that has filled the context: the prompt without turns until a quarter of the context is free, or null
    /// where that does not make room.
    /// </summary>
    /// <param name="messages">The turns; those that are left out are removed.</param>
    /// <param name="answered">Tokens of the answer.</param>
    /// <param name="render">Gives the tokens of <paramref name="messages"/> as they are.</param>
    public static List<int>? Shorten(List<ChatMessage> messages, int capacity, int answered, Func<List<int>> render)
    {
        int prompt = capacity - answered, most = capacity * 3 / 4 - answered;
        if (prompt <= 0 || !DropOldest(messages, (double)(prompt - most) / prompt)) return null;
        List<int> tokens = Fit(messages, most, render);
        return tokens.Count + answered < capacity ? tokens : null;
    }

    /// <summary>
    /// Removes the oldest questions until about this share of the text is gone, at least one; false where only the last question is left.
    /// (One by one, each with a new rendering, would take a long conversation's square.)
    /// </summary>
    public static bool DropOldest(List<ChatMessage> messages, double share)
    {
        double excess = share * messages.Sum(message => message.Content.Length);
        int first = messages.FindIndex(message => message.Role != "system"), end = first;
        while (excess > 0 || end == first)
        {
            int next = end < 0 ? -1 : messages.FindIndex(end + 1, message => message.Role == "user");
            if (next < 0) break;
            for (int i = end; i < next; i++) excess -= messages[i].Content.Length;
            end = next;
        }
        if (end <= first) return false;
        messages.RemoveRange(first, end - first);
        return true;
    }
}
