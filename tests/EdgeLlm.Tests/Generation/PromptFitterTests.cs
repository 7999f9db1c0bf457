using EdgeLlm.Chat;
using EdgeLlm.Generation;

namespace EdgeLlm.Tests.Generation;

/// <summary>Which turns go where a conversation has no room.</summary>
public sealed class PromptFitterTests
{
    [Theory]
    [InlineData(0, 400, 100)]
    [InlineData(30, 400, 30)]
    [InlineData(1000, 400, 200)]
    public void An_answer_gets_what_was_asked_for_or_a_quarter_and_at_most_half(int maxTokens, int capacity, int room) =>
        Assert.Equal(room, PromptFitter.RoomFor(maxTokens, capacity));

    [Fact]
    public void The_oldest_questions_go_with_their_answers_and_system_turns_stay()
    {
        List<ChatMessage> messages = Conversation(5);
        List<int> tokens = PromptFitter.Fit(messages, 70, () => Tokens(messages));
        Assert.InRange(tokens.Count, 1, 70);
        Assert.Equal(["system", "user", "assistant", "user"], messages.Select(message => message.Role));
        Assert.Equal("question 4", messages[^1].Content[..10]);
    }

    [Fact]
    public void The_last_question_stays_even_where_it_does_not_fit()
    {
        List<ChatMessage> messages = Conversation(3);
        Assert.True(PromptFitter.Fit(messages, 1, () => Tokens(messages)).Count > 1);
        Assert.Equal(["system", "user"], messages.Select(message => message.Role));
        Assert.False(PromptFitter.DropOldest(messages, 1));
        List<ChatMessage> none = [];
        Assert.False(PromptFitter.DropOldest(none, 1));
    }

    [Fact]
    public void A_long_conversation_is_rendered_a_few_times_and_not_once_a_turn()
    {
        List<ChatMessage> messages = Conversation(4000);
        int renderings = 0;
        PromptFitter.Fit(messages, 100, () =>
        {
            renderings++;
            return Tokens(messages);
        });
        Assert.InRange(renderings, 2, 8);
    }

    /// <summary>A token for each letter: 20 a turn.</summary>
    private static List<int> Tokens(List<ChatMessage> messages) =>
        [.. messages.SelectMany(message => message.Content.Select(letter => (int)letter))];

    private static List<ChatMessage> Conversation(int questions)
    {
        List<ChatMessage> messages = [new("system", "be brief")];
        for (int i = 0; i < questions; i++)
        {
            if (i > 0) messages.Add(new("assistant", $"answer {i - 1}".PadRight(20)));
            messages.Add(new("user", $"question {i}".PadRight(20)));
        }
        return messages;
    }
}
