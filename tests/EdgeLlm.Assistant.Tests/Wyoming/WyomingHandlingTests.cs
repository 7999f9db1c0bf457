using System.Runtime.CompilerServices;
using System.Text.Json;
using EdgeLlm.Assistant.Conversation;
using EdgeLlm.Assistant.Wyoming;

namespace EdgeLlm.Assistant.Tests.Wyoming;

/// <summary>EdgeLlm as Home Assistant's conversation agent.</summary>
public sealed class WyomingHandlingTests
{
    private static readonly WyomingHandler Handler = new("agent", ["en", "de"], ControlsHome: false, AnswerAsync);

    [Fact]
    public async Task Describe_names_an_agent_with_a_model_that_is_installed()
    {
        await using var server = new TestServer(null) { Handler = Handler };
        using TestPeer peer = server.Connect();
        await peer.WriteAsync("describe");
        JsonElement agent = Assert.Single((await peer.ReadAsync("info"))!.Value.GetProperty("handle").EnumerateArray()),
            model = Assert.Single(agent.GetProperty("models").EnumerateArray());
        Assert.True(agent.GetProperty("installed").GetBoolean() && model.GetProperty("installed").GetBoolean()
            && agent.GetProperty("supports_handled_streaming").GetBoolean());
        Assert.False(agent.GetProperty("supports_home_control").GetBoolean());
        Assert.Equal("de", model.GetProperty("languages")[1].GetString());
    }

    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(5)]
    [InlineData(1)]
    public async Task A_request_is_answered_in_pieces_and_handled_comes_last(int piece)
    {
        await using var server = new TestServer(null) { Handler = Handler };
        using TestPeer peer = server.Connect();
        byte[] request = TestPeer.Event("transcript",
            """{"text": "Hello there", "language": "en", "context": {"conversation_id": "c1", "device_id": null}}""");
        foreach (byte[] part in request.Chunk(piece)) await peer.SendAsync(part);
        Assert.Equal("c1",
            (await peer.ReadAsync("handled-start"))!.Value.GetProperty("context").GetProperty("conversation_id").GetString());
        Assert.Equal("Hello there", (await peer.ReadAsync("handled-chunk"))!.Value.GetProperty("text").GetString());
        Assert.Equal(" in c1", (await peer.ReadAsync("handled-chunk"))!.Value.GetProperty("text").GetString());
        Assert.NotNull(await peer.ReadAsync("handled-stop"));
        JsonElement handled = (await peer.ReadAsync("handled"))!.Value;
        Assert.Equal(("Hello there in c1", "c1"),
            (handled.GetProperty("text").GetString(), handled.GetProperty("context").GetProperty("conversation_id").GetString()));
    }

    [Fact]
    public async Task What_fails_or_takes_too_long_is_not_handled_and_the_connection_lives_on()
    {
        await using var server =
            new TestServer(null, limits: new WyomingLimits { Answer = TimeSpan.FromSeconds(.3) }) { Handler = Handler };
        using TestPeer peer = server.Connect();
        foreach ((string text, string reason) in ((string, string)[])[("fail", "it is broken"), ("wait", "there was no answer within")])
        {
            await peer.WriteAsync("transcript", $$"""{"text": "{{text}}"}""");
            Assert.NotNull(await peer.ReadAsync("handled-start"));
            Assert.StartsWith(reason, (await peer.ReadAsync("not-handled"))!.Value.GetProperty("text").GetString(),
                StringComparison.Ordinal);
        }
        await peer.WriteAsync("transcript", $$"""{"text": "{{new string('x', 5000)}}"}""");
        Assert.Contains("more than 4000 characters", (await peer.ReadAsync("not-handled"))!.Value.GetProperty("text").GetString(),
            StringComparison.Ordinal);
        await peer.WriteAsync("transcript", """{"text": 3}""");
        Assert.Contains("must be a text", (await peer.ReadAsync("error"))!.Value.GetProperty("text").GetString(), StringComparison.Ordinal);
        Assert.Null(await peer.ReadAsync(null));
    }

    [Fact]
    public async Task Home_Assistant_reads_sensors_of_the_house_and_moves_nothing()
    {
        using var house = new TestHouse(change: static settings => settings with { WyomingListen = "127.0.0.1:0" });
        using var peer = new TestPeer(house.Host.WyomingAddress!);
        Assert.Equal("The temperature of living room is 21.5 degrees.",
            await AskAsync(peer, "What is the temperature in the living room?"));
        Assert.Equal("I may not do that from here.", await AskAsync(peer, "Turn on the kitchen light."));
        Assert.Equal("I may not do that from here.", await AskAsync(peer, "Turn on the heater."));
        Assert.Equal("All right, I leave it.", await AskAsync(peer, "Yes."));
        Assert.Empty(house.Moves);
    }

    [Fact]
    public async Task Each_conversation_has_a_history_of_its_own_and_old_ones_are_forgotten()
    {
        var time = new ManualTime();
        using var house = new TestHouse(time: time);
        var seen = new List<int>();
        var talks = new TextConversations(house.Host.Router, house.Host.Gate,
            () => new ModelTalk((messages, _, _) => OneAsync(messages.Count, seen), house.Host.Gate, "system"), time);
        foreach (string name in (string[])["a", "b", "a"])
            await foreach (string _ in talks.AnswerAsync("Tell me a story.", name, TestContext.Current.CancellationToken)) { }
        Assert.Equal([2, 2, 4], seen);
        time.Advance(TimeSpan.FromMinutes(31));
        for (int i = 0; i < 40; i++)
            await foreach (string _ in talks.AnswerAsync("Tell me a story.", $"c{i}", TestContext.Current.CancellationToken)) { }
        Assert.Equal(32, talks.Count);
    }

    private static async Task<string> AskAsync(TestPeer peer, string text)
    {
        await peer.WriteAsync("transcript", $$"""{"text": "{{text}}", "language": "en"}""");
        while (true)
        {
            (string type, JsonElement data, _) = (await peer.ReadAnyAsync())!.Value;
            if (type == "handled") return data.GetProperty("text").GetString()!;
            Assert.StartsWith("handled-", type, StringComparison.Ordinal);
        }
    }

    private static async IAsyncEnumerable<string> OneAsync(int count, List<int> seen)
    {
        await Task.Yield();
        seen.Add(count);
        yield return "Once upon a time.";
    }

    private static async IAsyncEnumerable<string> AnswerAsync(string text, string conversation,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        await Task.Yield();
        if (text == "fail") throw new InvalidOperationException("it is broken");
        if (text == "wait") await Task.Delay(Timeout.Infinite, cancellation);
        yield return text;
        yield return " in " + conversation;
    }
}
