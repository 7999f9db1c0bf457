using System.Net;
using System.Text.Json;
using EdgeLlm.Chat;
using EdgeLlm.Server.OpenAi.Responses;

namespace EdgeLlm.Server.Tests.OpenAi;

public sealed class ResponseTests : IAsyncLifetime
{
    private const string Path = "/v1/responses";

    private TestServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync();

    public ValueTask DisposeAsync() => _server is null ? ValueTask.CompletedTask : _server.DisposeAsync();

    [Fact]
    public async Task A_stream_has_the_events_in_their_order_and_joins_to_the_response()
    {
        JsonElement whole =
            await _server.AskAsync(Path, """{"model":"tiny","input":"Tell me a story.","max_output_tokens":12,"temperature":0}""");
        Assert.Equal(("incomplete", "max_output_tokens"),
            (whole.GetProperty("status").GetString(), whole.GetProperty("incomplete_details").GetProperty("reason").GetString()));
        List<(string Name, JsonElement Data)> events = await _server.EventsAsync(Path,
            """{"model":"tiny","input":"Tell me a story.","max_output_tokens":12,"temperature":0,"stream":true}""");
        Assert.Equal(Enumerable.Range(0, events.Count), events.Select(one => one.Data.GetProperty("sequence_number").GetInt32()));
        Assert.All(events, one => Assert.Equal(one.Name, one.Data.GetProperty("type").GetString()));
        Assert.Equal(
            ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
                "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.incomplete"],
            events.Select(one => one.Name).Where(name => name != "response.output_text.delta"));
        string text = string.Concat(events.Where(one => one.Name == "response.output_text.delta")
            .Select(one => one.Data.GetProperty("delta").GetString()));
        Assert.Equal(TextOf(whole), text);
        Assert.Equal(text, TextOf(events[^1].Data.GetProperty("response")));
        Assert.Equal(12, events[^1].Data.GetProperty("response").GetProperty("usage").GetProperty("output_tokens").GetInt32());
    }

    [Fact]
    public async Task A_response_goes_on_where_an_earlier_one_ended_and_is_kept_until_it_is_deleted()
    {
        _server.Server.Engine.Script = request => $"{request.Prompt.Count} tokens";
        JsonElement first = await _server.AskAsync(Path, """{"model":"tiny","input":"One.","instructions":"Be brief."}""");
        string id = first.GetProperty("id").GetString()!;
        JsonElement second = await _server.AskAsync(Path, $"{{\"model\":\"tiny\",\"input\":\"Two.\",\"previous_response_id\":\"{id}\"}}");
        int alone = int.Parse(TextOf(await _server.AskAsync(Path, """{"model":"tiny","input":"Two."}""")).Split(' ')[0], null);
        Assert.True(int.Parse(TextOf(second).Split(' ')[0], null) > alone + 5);
        Assert.Equal(first.GetRawText(), (await _server.GetAsync($"{Path}/{id}")).GetRawText());
        Assert.True(
            JsonDocument.Parse(
                await (await _server.Client.DeleteAsync(
                    new Uri($"{Path}/{id}", UriKind.Relative))).Content.ReadAsStringAsync()).RootElement.GetProperty("deleted")
                    .GetBoolean());
        Assert.Equal(HttpStatusCode.NotFound, (await _server.Client.GetAsync(new Uri($"{Path}/{id}", UriKind.Relative))).StatusCode);
        JsonElement error = await _server.AskAsync(Path, $"{{\"model\":\"tiny\",\"input\":\"Three.\",\"previous_response_id\":\"{id}\"}}",
            HttpStatusCode.BadRequest);
        Assert.Equal("previous_response_id", error.GetProperty("error").GetProperty("param").GetString());
        string unkept = (await _server.AskAsync(Path, """{"model":"tiny","input":"One.","store":false}""")).GetProperty("id").GetString()!;
        Assert.Equal(HttpStatusCode.NotFound, (await _server.Client.GetAsync(new Uri($"{Path}/{unkept}", UriKind.Relative))).StatusCode);
    }

    [Fact]
    public async Task Text_has_the_format_that_is_asked_for()
    {
        JsonElement response = await _server.AskAsync(Path,
            """{"model":"tiny","input":"Hi","max_output_tokens":40,"text":{"format":{"type":"json_schema","name":"n","schema":{"enum":[7,8]},"strict":true}}}""");
        Assert.Matches("^[78]$", TextOf(response));
        Assert.Equal("json_schema", response.GetProperty("text").GetProperty("format").GetProperty("type").GetString());
    }

    [Fact]
    public void Kept_responses_are_bounded_in_number_bytes_and_time_and_are_their_keys_alone()
    {
        var time = new ManualTime();
        var store = new ResponseStore(time);
        store.Add(Of("a", "key"));
        Assert.NotNull(store.Find("a", "key"));
        Assert.Null(store.Find("a", "other"));
        Assert.Null(store.Find("a", null));
        Assert.False(store.Remove("a", "other"));
        for (int i = 0; i < 256; i++) store.Add(Of($"b{i}", "key"));
        Assert.Null(store.Find("a", "key"));
        Assert.NotNull(store.Find("b0", "key"));
        store.Add(Of("large", "key", 31_000_000));
        Assert.NotNull(store.Find("large", "key"));
        Assert.Null(store.Find("b0", "key"));
        store.Add(Of("larger", "key", 10_000_000));
        Assert.Null(store.Find("large", "key"));
        time.Now += TimeSpan.FromMinutes(61);
        Assert.Null(store.Find("larger", "key"));

        static StoredResponse Of(string id, string key, int length = 10) =>
            new(id, key, [new ChatMessage("user", new string('x', length))], new Response(id, 0, "m"));
    }

    private static string TextOf(JsonElement response) =>
        response.GetProperty("output").EnumerateArray().Last().GetProperty("content")[0].GetProperty("text").GetString()!;

    private sealed class ManualTime : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
