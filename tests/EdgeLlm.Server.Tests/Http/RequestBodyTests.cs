using System.Net;
using System.Text;
using System.Text.Json;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Tests.Http;

public sealed class RequestBodyTests
{
    [Theory]
    [InlineData("""{"a":"x\ud83d y"}""", "x\ufffd y")]
    [InlineData("""{"a":"\udc00"}""", "\ufffd")]
    [InlineData("""{"a":"\uD83D\uDE00"}""", "\U0001F600")]
    [InlineData("""{"a":"\ud83d\ud83d\ude00"}""", "\ufffd\U0001F600")]
    [InlineData("""{"a":"\\ud83d"}""", @"\ud83d")]
    [InlineData("""{"a":"\\\ud83d"}""", "\\\ufffd")]
    [InlineData("""{"a":"\n\u00e9\"\ud83d"}""", "\n\u00e9\"\ufffd")]
    public void Halves_of_surrogate_pairs_become_the_replacement_character(string json, string expected) =>
        Assert.Equal(expected,
            JsonDocument.Parse(RequestBody.Repaired(Encoding.UTF8.GetBytes(json))).RootElement.GetProperty("a").GetString());

    [Theory]
    [InlineData("\\")]
    [InlineData("\\u")]
    [InlineData("\\ud8")]
    [InlineData("\\ud83d\\u")]
    [InlineData("\\ud83d\\")]
    public void A_text_that_ends_within_an_escape_is_left_to_the_parser(string text) =>
        Assert.Equal(text.Length, RequestBody.Repaired(Encoding.UTF8.GetBytes(text)).Length);

    [Theory]
    [InlineData("/v1/chat/completions", """{"model":"tiny","max_tokens":1,"messages":[{"role":"user","content":"a\ud83d b"}]}""")]
    [InlineData("/v1/chat/completions",
        """{"model":"tiny","max_tokens":1,"stop":["\ud83d"],"messages":[{"role":"user","content":[{"type":"text","text":"\ud83d"}]}]}""")]
    [InlineData("/v1/chat/completions",
        """{"model":"tiny","max_tokens":1,"\ud83d":"\ud83d","messages":[{"role":"user","name":"\ud83d","content":"a"}]}""")]
    [InlineData("/api/chat",
        """{"model":"tiny","stream":false,"options":{"num_predict":1,"stop":["\ud83d"]},"messages":[{"role":"user","content":"\ud83d"}]}""")]
    [InlineData("/api/chat", """{"model":"tiny","stream":false,"keep_alive":"5m","format":"","user":"\ud83d","messages":[]}""")]
    [InlineData("/api/generate", """{"model":"tiny","stream":false,"prompt":"\ud83d","system":"\udc00","options":{"num_predict":1}}""")]
    public async Task Half_a_surrogate_pair_anywhere_is_taken(string path, string request)
    {
        await using TestServer server = await TestServer.StartAsync();
        await server.AskAsync(path, request);
    }

    [Fact]
    public async Task Bytes_that_are_not_UTF8_are_taken()
    {
        await using TestServer server = await TestServer.StartAsync();
        byte[] body = Encoding.Latin1.GetBytes(
            "{\"model\":\"tiny\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"\u00ff\u00fe\u00c3\"}]}");
        using HttpResponseMessage response = await server.Client.PostAsync("/v1/chat/completions", new ByteArrayContent(body));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Theory]
    [InlineData("FFFFFFFFFFFFFFFFFFFF\r\n")]
    [InlineData("FFFFFFFF\r\n")]
    [InlineData("x\r\n")]
    [InlineData("2\r\n{}zz")]
    [InlineData("-1\r\n")]
    [InlineData("2\r\n{}\r\n0\r\nTrailer: \0\r\n\r\n")]
    [InlineData("2\r\n{}\r\n0\r\nTrailer: \u00ff\r\n\r\n")]
    [InlineData("2\r\n{}\r\n0\r\nno trailer\r\n\r\n")]
    [InlineData("2000\r\n")] // more than the limit, then another body's bytes
    public async Task A_malformed_chunk_is_the_clients_error(string chunk)
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { BodyLimit = 1024 });
        string head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
        string answer = await server.SendRawAsync(Encoding.Latin1.GetBytes(head + chunk));
        Assert.StartsWith("HTTP/1.1 4", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("error:", server.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(3_000_000)]
    [InlineData(30_000_000)]
    public async Task A_large_body_is_read_to_its_end_so_that_the_client_sees_the_413(int length)
    {
        await using TestServer server = await TestServer.StartAsync();
        byte[] head =
            Encoding.ASCII.GetBytes($"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        string answer = await server.SendRawAsync([.. head, .. new byte[length]]);
        Assert.StartsWith("HTTP/1.1 413", answer, StringComparison.Ordinal);
        Assert.Contains("bodyLimit", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_asks_before_sending_a_large_body_is_told_at_once()
    {
        await using TestServer server = await TestServer.StartAsync();
        byte[] head = Encoding.ASCII.GetBytes(
            "POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 413", await server.SendRawAsync(head), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/v1/chat/completions")]
    [InlineData("/api/chat")]
    public async Task More_messages_than_are_rendered_are_refused_with_the_bound(string path)
    {
        await using TestServer server = await TestServer.StartAsync();
        string messages = string.Join(',', Enumerable.Repeat("""{"role":"user","content":"a"}""", 28_000));
        JsonElement error = await server.AskAsync(path, $$"""{"model":"tiny","messages":[{{messages}}]}""", HttpStatusCode.BadRequest);
        Assert.Contains("28000 messages; at most 2000", error.ToString(), StringComparison.Ordinal);
    }
}
