using EdgeLlm.Generation.Scheduling;

namespace EdgeLlm.Tests.Generation;

public sealed class FairQueueTests
{
    [Fact]
    public void Clients_take_turns_and_each_is_served_in_its_order()
    {
        FairQueue<string> queue = Filled("a1", "a2", "a3", "b1", "c1", "b2");
        Assert.Equal(["a1", "b1", "c1", "a2", "b2", "a3"], Enumerable.Range(0, 6).Select(_ => Take(queue)));
    }

    [Fact]
    public void Each_item_knows_how_many_come_before_it()
    {
        string[] items = ["a1", "a2", "a3", "b1", "c1", "b2"];
        FairQueue<string> queue = Filled(items);
        queue.TryAdd("d", AnswerPriority.Batch, "d1");
        queue.TryAdd("d", AnswerPriority.Voice, "d0");
        var expected = new Dictionary<string, int?>();
        foreach (string item in items) expected[item] = queue.CountBefore(item[..1], AnswerPriority.Chat, item);
        Assert.Equal(7, queue.CountBefore("d", AnswerPriority.Batch, "d1"));
        Assert.Equal("d0", Take(queue));
        for (int place = 0; place < items.Length; place++)
        {
            string item = Take(queue)!;
            Assert.Equal(place + 1, expected[item]);
            Assert.Null(queue.CountBefore(item[..1], AnswerPriority.Chat, item));
        }
    }

    [Fact]
    public void Voice_comes_before_chat_and_chat_before_batch_whoever_came_first()
    {
        var queue = new FairQueue<string>(10);
        foreach (AnswerPriority priority in new[] { AnswerPriority.Batch, AnswerPriority.Chat, AnswerPriority.Voice,
            AnswerPriority.Batch, AnswerPriority.Chat })
            Assert.True(queue.TryAdd("a", priority, $"{priority}"));
        Assert.Equal(["Voice", "Chat", "Chat", "Batch", "Batch"], Enumerable.Range(0, 5).Select(_ => Take(queue)));
    }

    [Fact]
    public void One_that_can_not_be_served_now_holds_up_its_client_alone()
    {
        FairQueue<string> queue = Filled("a1", "a2", "b1");
        Assert.True(queue.TryTake(item => item != "a1", out string? first));
        Assert.Equal("b1", first);
        Assert.False(queue.TryTake(item => item != "a1", out _));
        Assert.Equal(["a1", "a2"], Enumerable.Range(0, 2).Select(_ => Take(queue)));
    }

    [Fact]
    public void A_full_queue_takes_nothing_until_something_has_left()
    {
        var queue = new FairQueue<string>(2);
        Assert.True(queue.TryAdd("a", AnswerPriority.Chat, "1"));
        Assert.True(queue.TryAdd("b", AnswerPriority.Chat, "2"));
        Assert.False(queue.TryAdd("c", AnswerPriority.Voice, "3"));
        Assert.True(queue.Remove("a", AnswerPriority.Chat, "1"));
        Assert.False(queue.Remove("a", AnswerPriority.Chat, "1"));
        Assert.True(queue.TryAdd("c", AnswerPriority.Chat, "3"));
        Assert.Equal(2, queue.Count);
    }

    [Fact]
    public void Free_places_are_filled_even_where_none_may_wait()
    {
        var queue = new FairQueue<string>(0);
        queue.AddPlaces(1);
        Assert.True(queue.TryAdd("a", AnswerPriority.Chat, "1"));
        Assert.True(queue.IsFull);
        Assert.Equal("1", Take(queue));
        Assert.False(queue.TryAdd("a", AnswerPriority.Chat, "2"));
        queue.AddPlaces(1);
        Assert.True(queue.TryAdd("a", AnswerPriority.Chat, "2"));
    }

    [Fact]
    public void Closing_gives_back_what_waits_and_takes_nothing_more()
    {
        FairQueue<string> queue = Filled("a1", "a2");
        Assert.Equal(["a1", "a2"], queue.Close());
        Assert.False(queue.TryAdd("a", AnswerPriority.Chat, "3"));
        Assert.Null(Take(queue));
    }

    private static FairQueue<string> Filled(params string[] items)
    {
        var queue = new FairQueue<string>(10);
        foreach (string item in items) Assert.True(queue.TryAdd(item[..1], AnswerPriority.Chat, item));
        return queue;
    }

    private static string? Take(FairQueue<string> queue) => queue.TryTake(_ => true, out string? item) ? item : null;
}
