using EdgeLlm.Server.Engine;

namespace EdgeLlm.Server.Tests.Engine;

public sealed class FairQueueTests
{
    [Fact]
    public void Clients_take_turns_and_each_is_served_in_its_order()
    {
        var queue = new FairQueue<string>(10);
        foreach (string item in new[] { "a1", "a2", "a3", "b1", "c1", "b2" }) Assert.True(queue.TryAdd(item[..1], item));
        Assert.Equal(["a1", "b1", "c1", "a2", "b2", "a3"], Enumerable.Range(0, 6).Select(_ => queue.Take(out string? item) ? item : null));
    }

    [Fact]
    public void Each_item_knows_how_many_come_before_it()
    {
        var queue = new FairQueue<string>(10);
        string[] items = ["a1", "a2", "a3", "b1", "c1", "b2"];
        foreach (string item in items) Assert.True(queue.TryAdd(item[..1], item));
        var expected = new Dictionary<string, int?>();
        foreach (string item in items) expected[item] = queue.CountBefore(item[..1], item);
        for (int place = 0; place < items.Length; place++)
        {
            Assert.True(queue.Take(out string? item));
            Assert.Equal(place, expected[item]);
            Assert.Null(queue.CountBefore(item[..1], item));
        }
    }

    [Fact]
    public void A_full_queue_takes_nothing_until_something_has_left()
    {
        var queue = new FairQueue<string>(2);
        Assert.True(queue.TryAdd("a", "1"));
        Assert.True(queue.TryAdd("b", "2"));
        Assert.False(queue.TryAdd("c", "3"));
        Assert.True(queue.Remove("a", "1"));
        Assert.False(queue.Remove("a", "1"));
        Assert.True(queue.TryAdd("c", "3"));
        Assert.Equal(2, queue.Count);
    }

    [Fact]
    public async Task Whoever_waits_gets_an_item_even_where_none_may_queue()
    {
        var queue = new FairQueue<string>(0);
        Task<string?> taken = Task.Run(() => queue.Take(out string? item) ? item : null);
        while (!queue.TryAdd("a", "1")) await Task.Delay(1);
        Assert.Equal("1", await taken);
        Assert.False(queue.TryAdd("a", "2"));
    }

    [Fact]
    public async Task Closing_gives_back_what_waits_and_ends_the_taker()
    {
        var queue = new FairQueue<string>(5);
        queue.TryAdd("a", "1");
        queue.TryAdd("a", "2");
        Assert.Equal(["1", "2"], queue.Close());
        Assert.False(queue.TryAdd("a", "3"));
        Assert.False(await Task.Run(() => queue.Take(out _)));
    }
}
