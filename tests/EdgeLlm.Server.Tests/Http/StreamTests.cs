using System.Net;
using System.Text.Json;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Tests.Http;

public sealed class StreamTests
{
    private const string Messages = "\"messages\":[{\"role\":\"user\",\"content\":\"Tell me a long story.\"}]";

    [Fact]
    public async Task A_stream_that_waits_has_its_head_and_signs_of_life()
    {
        await using TestServer server =
            await TestServer.StartSlowAsync(
                new ServerOptions { Parallel = 1, SignInterval = TimeSpan.FromMilliseconds(20), StopSeconds = 0 });
        using HttpResponseMessage running =
            await server.BeginComputingAsync("/api/chat", $$"""{"model":"tiny","options":{"num_predict":1000},{{Messages}}}""");
        using HttpResponseMessage events =
            await server.BeginAsync("/v1/chat/completions", $$"""{"model":"tiny","stream":true,{{Messages}}}""");
        using HttpResponseMessage lines = await server.BeginAsync("/api/generate", """{"model":"tiny","prompt":"Hi"}""");
        Assert.Equal(2, server.Server.Engine.Waiting);
        Assert.Equal("text/event-stream", events.Content.Headers.ContentType!.MediaType);
        using var eventReader = new StreamReader(await events.Content.ReadAsStreamAsync());
        for (int i = 0; i < 3; i++) Assert.Equal((": ", ""), (await eventReader.ReadLineAsync(), await eventReader.ReadLineAsync()));
        using var lineReader = new StreamReader(await lines.Content.ReadAsStreamAsync());
        for (int i = 0; i < 3; i++)
        {
            JsonElement piece = JsonDocument.Parse((await lineReader.ReadLineAsync())!).RootElement;
            Assert.Equal(("", false), (piece.GetProperty("response").GetString(), piece.GetProperty("done").GetBoolean()));
            Assert.Equal(2, piece.GetProperty("queue_position").GetInt32()); // one is computed, one waits
        }
    }

    [Fact]
    public async Task Ollamas_stream_tells_how_far_a_prompt_is_computed_where_it_is_asked_for()
    {
        await using TestServer server =
            await TestServer.StartSlowAsync(
                new ServerOptions { Context = 2048, SignInterval = TimeSpan.FromMilliseconds(20), StopSeconds = 0 });
        string prompt = string.Concat(Enumerable.Repeat("the cat sat on the mat. ", 150));
        List<JsonElement> lines = await server.StreamAsync("/api/generate",
            $$$"""{"model":"tiny","prompt":"{{{prompt}}}","return_progress":true,"options":{"num_predict":1}}""");
        JsonElement[] told =
            [.. lines.Where(line => line.TryGetProperty("prompt_progress", out _)).Select(line => line.GetProperty("prompt_progress"))];
        Assert.NotEmpty(told);
        int[] processed = [.. told.Select(one => one.GetProperty("processed").GetInt32())];
        Assert.Equal(processed.Order(), processed);
        Assert.All(told, one => Assert.InRange(one.GetProperty("processed").GetInt32(), 0, one.GetProperty("total").GetInt32()));
        Assert.Equal(lines[^1].GetProperty("prompt_eval_count").GetInt32(), told[^1].GetProperty("total").GetInt32());
        lines = await server.StreamAsync("/api/generate",
            $$$"""{"model":"tiny","prompt":"Another: {{{prompt}}}","options":{"num_predict":1}}""");
        Assert.DoesNotContain(lines, line => line.TryGetProperty("prompt_progress", out _));
    }

    [Fact]
    public async Task What_can_be_refused_is_refused_before_the_head()
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { Context = 64 });
        string tooLong = string.Concat(Enumerable.Repeat("the cat sat on the mat. ", 50));
        foreach (string field in new[] { "\"top_p\":9", "\"logit_bias\":{\"9999\":1}",
            $"\"messages\":[{{\"role\":\"user\",\"content\":\"{tooLong}\"}}]" })
        {
            using HttpResponseMessage response =
                await server.BeginAsync("/v1/chat/completions", $$"""{"model":"tiny","stream":true,{{Messages}},{{field}}}""");
            Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        }
        JsonElement error =
            await server.AskAsync("/api/generate", $$"""{"model":"tiny","prompt":"{{tooLong}}"}""", HttpStatusCode.BadRequest);
        Assert.Contains("--context", error.GetProperty("error").GetString(), StringComparison.Ordinal);
    }
}
