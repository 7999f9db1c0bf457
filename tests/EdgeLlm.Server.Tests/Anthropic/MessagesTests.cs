using System.Net;
using System.Text.Json;

namespace EdgeLlm.Server.Tests.Anthropic;

public sealed class MessagesTests : IAsyncLifetime
{
    private const string Path = "/v1/messages";

    private TestServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync();

    public ValueTask DisposeAsync() => _server is null ? ValueTask.CompletedTask : _server.DisposeAsync();

    [Fact]
    public async Task An_answer_has_what_clients_read()
    {
        JsonElement message = await _server.AskAsync(Path, Request("\"max_tokens\":6"));
        Assert.Equal(("message", "assistant", "max_tokens"),
            (message.GetProperty("type").GetString(), message.GetProperty("role").GetString(),
                message.GetProperty("stop_reason").GetString()));
        JsonElement block = Assert.Single(message.GetProperty("content").EnumerateArray());
        Assert.Equal("text", block.GetProperty("type").GetString());
        Assert.Equal(6, message.GetProperty("usage").GetProperty("output_tokens").GetInt32());
        Assert.Equal(JsonValueKind.Null, message.GetProperty("stop_sequence").ValueKind);
    }

    [Fact]
    public async Task A_stream_has_the_events_in_their_order_and_joins_to_the_answer()
    {
        JsonElement whole = await _server.AskAsync(Path, Request("\"max_tokens\":12,\"temperature\":0"));
        List<(string Name, JsonElement Data)> events =
            await _server.EventsAsync(Path, Request("\"max_tokens\":12,\"temperature\":0,\"stream\":true"));
        Assert.All(events, one => Assert.Equal(one.Name, one.Data.GetProperty("type").GetString()));
        Assert.Equal(["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"],
            events.Select(one => one.Name).Where(name => name is not ("ping" or "content_block_delta")));
        Assert.Equal(TextOf(whole),
            string.Concat(events.Where(one => one.Name == "content_block_delta")
                .Select(one => one.Data.GetProperty("delta").GetProperty("text").GetString())));
        Assert.Equal("max_tokens", events[^2].Data.GetProperty("delta").GetProperty("stop_reason").GetString());
        Assert.Equal(12, events[^2].Data.GetProperty("usage").GetProperty("output_tokens").GetInt32());
        Assert.Contains(events, one => one.Name == "ping");
    }

    [Fact]
    public async Task A_stop_sequence_is_told()
    {
        string text = TextOf(await _server.AskAsync(Path, Request("\"max_tokens\":30,\"temperature\":0")));
        string stop = text.Substring(text.Length / 2, 4);
        JsonElement message = await _server.AskAsync(Path,
            Request($"\"max_tokens\":30,\"temperature\":0,\"stop_sequences\":[{JsonSerializer.Serialize(stop)}]"));
        Assert.Equal(("stop_sequence", stop),
            (message.GetProperty("stop_reason").GetString(), message.GetProperty("stop_sequence").GetString()));
    }

    [Fact]
    public async Task Thoughts_are_blocks_of_their_own()
    {
        await using TestServer server = await TestServer.StartAsync(new() { ChatTemplate = Template });
        server.Server.Engine.Script = _ => "<think>So it is.</think>Yes.";
        JsonElement message = await server.AskAsync(Path, Request("\"max_tokens\":100"));
        Assert.Equal(["thinking", "text"],
            message.GetProperty("content").EnumerateArray().Select(block => block.GetProperty("type").GetString()));
        List<(string Name, JsonElement Data)> events = await server.EventsAsync(Path, Request("\"max_tokens\":100,\"stream\":true"));
        Assert.Equal(2, events.Count(one => one.Name == "content_block_start"));
        Assert.Equal("So it is.",
            string.Concat(events.Where(one => one.Name == "content_block_delta"
                && one.Data.GetProperty("delta").TryGetProperty("thinking", out _))
                .Select(one => one.Data.GetProperty("delta").GetProperty("thinking").GetString())).Trim());
        JsonElement openAi =
            await server.AskAsync("/v1/chat/completions", """{"model":"tiny","messages":[{"role":"user","content":"Hi"}]}""");
        JsonElement answer = openAi.GetProperty("choices")[0].GetProperty("message");
        Assert.Equal(("Yes.", "So it is."),
            (answer.GetProperty("content").GetString(), answer.GetProperty("reasoning_content").GetString()!.Trim()));
        JsonElement ollama =
            await server.AskAsync("/api/chat", """{"model":"tiny","messages":[{"role":"user","content":"Hi"}],"stream":false}""");
        Assert.Equal("So it is.", ollama.GetProperty("message").GetProperty("thinking").GetString()!.Trim());
    }

    [Fact]
    public async Task Tokens_are_counted_as_the_answer_counts_them()
    {
        int counted =
            (await _server.AskAsync(Path + "/count_tokens", Request("\"system\":\"Be brief.\""))).GetProperty("input_tokens").GetInt32();
        JsonElement usage = (await _server.AskAsync(Path, Request("\"system\":\"Be brief.\",\"max_tokens\":1"))).GetProperty("usage");
        Assert.Equal(counted, usage.GetProperty("input_tokens").GetInt32() + usage.GetProperty("cache_read_input_tokens").GetInt32());
    }

    [Theory]
    [InlineData("\"temperature\":1", "max_tokens is missing")]
    [InlineData("\"max_tokens\":0", "max_tokens is 0")]
    [InlineData("\"max_tokens\":5,\"temperature\":-1", "temperature is -1")]
    [InlineData("\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{}}]}]",
        "messages[0].content: a block of type 'image'")]
    [InlineData("\"max_tokens\":5,\"messages\":[{\"role\":\"king\",\"content\":\"x\"}]", "messages[0].role is 'king'")]
    public async Task A_wrong_field_is_an_error_in_Anthropics_shape(string fields, string message)
    {
        JsonElement error = await _server.AskAsync(Path, Request(fields), HttpStatusCode.BadRequest);
        Assert.Equal(("error", "invalid_request_error"),
            (error.GetProperty("type").GetString(), error.GetProperty("error").GetProperty("type").GetString()));
        Assert.Contains(message, error.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_model_and_a_missing_key_are_told_in_its_shape()
    {
        JsonElement missing = await _server.AskAsync(Path,
            """{"model":"claude","max_tokens":5,"messages":[{"role":"user","content":"Hi"}]}""", HttpStatusCode.NotFound);
        Assert.Equal("not_found_error", missing.GetProperty("error").GetProperty("type").GetString());
        await using TestServer locked = await TestServer.StartAsync(new() { ApiKey = "secret-key" });
        JsonElement refused = await locked.AskAsync(Path, Request("\"max_tokens\":5"), HttpStatusCode.Unauthorized);
        Assert.Equal("authentication_error", refused.GetProperty("error").GetProperty("type").GetString());
        locked.Client.DefaultRequestHeaders.Add("x-api-key", "secret-key");
        await locked.AskAsync(Path, Request("\"max_tokens\":1"));
    }

    internal const string Template =
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n{# "
            + "<think></think> #}";

    private static string TextOf(JsonElement message) => message.GetProperty("content")[0].GetProperty("text").GetString()!;

    private static string Request(string fields) => fields.Contains("\"messages\"", StringComparison.Ordinal)
        ? $"{{\"model\":\"tiny\",{fields}}}"
        : $"{{\"model\":\"tiny\",\"messages\":[{{\"role\":\"user\",\"content\":\"Tell me a story.\"}}],{fields}}}";
}
