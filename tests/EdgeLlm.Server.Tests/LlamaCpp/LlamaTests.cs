using System.Net;
using System.Text.Json;

namespace EdgeLlm.Server.Tests.LlamaCpp;

public sealed class LlamaTests : IAsyncLifetime
{
    private TestServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync();

    public ValueTask DisposeAsync() => _server is null ? ValueTask.CompletedTask : _server.DisposeAsync();

    [Fact]
    public async Task Properties_and_health_say_what_is_served()
    {
        JsonElement props = await _server.GetAsync("/props");
        Assert.Equal(512, props.GetProperty("default_generation_settings").GetProperty("n_ctx").GetInt32());
        Assert.Contains("im_start", props.GetProperty("chat_template").GetString(), StringComparison.Ordinal);
        Assert.Equal("ok", (await _server.GetAsync("/health")).GetProperty("status").GetString());
        JsonElement model = (await _server.GetAsync("/api/v0/models")).GetProperty("data")[0];
        Assert.Equal(("tiny", "loaded", 512),
            (model.GetProperty("id").GetString(), model.GetProperty("state").GetString(),
                model.GetProperty("loaded_context_length").GetInt32()));
        Assert.Equal("tiny", (await _server.GetAsync("/api/v0/models/tiny")).GetProperty("id").GetString());
    }

    [Fact]
    public async Task Text_becomes_tokens_and_text_again()
    {
        JsonElement tokens = (await _server.AskAsync("/tokenize", """{"content":"Once upon a time"}""")).GetProperty("tokens");
        Assert.Equal("Once upon a time",
            (await _server.AskAsync("/detokenize", $"{{\"tokens\":{tokens.GetRawText()}}}")).GetProperty("content").GetString()!.Trim());
        JsonElement pieces = (await _server.AskAsync("/tokenize", """{"content":"Once é","with_pieces":true}""")).GetProperty("tokens");
        Assert.All(pieces.EnumerateArray(),
            piece => Assert.True(piece.GetProperty("piece").ValueKind is JsonValueKind.String or JsonValueKind.Array));
        Assert.Empty((await _server.AskAsync("/tokenize", "{}")).GetProperty("tokens").EnumerateArray());
        JsonElement applied = await _server.AskAsync("/apply-template", """{"messages":[{"role":"user","content":"Hi"}]}""");
        Assert.Contains("Hi", applied.GetProperty("prompt").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_completion_is_given_whole_and_streamed()
    {
        const string Prompt = "\"prompt\":\"Once upon a\",\"n_predict\":10,\"temperature\":0";
        JsonElement whole = await _server.AskAsync("/completion", $"{{{Prompt},\"n_probs\":3,\"return_tokens\":true}}");
        Assert.Equal(("limit", true, 10),
            (whole.GetProperty("stop_type").GetString(), whole.GetProperty("stop").GetBoolean(),
                whole.GetProperty("tokens_predicted").GetInt32()));
        Assert.Equal((10, 10),
            (whole.GetProperty("tokens").GetArrayLength(), whole.GetProperty("completion_probabilities").GetArrayLength()));
        Assert.Equal(3, whole.GetProperty("completion_probabilities")[0].GetProperty("top_logprobs").GetArrayLength());
        using HttpResponseMessage response = await _server.PostAsync("/completion", $"{{{Prompt},\"stream\":true}}");
        JsonElement[] pieces = [.. (await response.Content.ReadAsStringAsync()).Split("\n\n")
            .Where(piece => piece.StartsWith("data: ", StringComparison.Ordinal))
            .Select(piece => JsonDocument.Parse(piece["data: ".Length..]).RootElement)];
        Assert.Equal(whole.GetProperty("content").GetString(),
            string.Concat(pieces.Select(piece => piece.GetProperty("content").GetString())));
        Assert.True(pieces[^1].GetProperty("stop").GetBoolean());
        Assert.Equal(10, pieces[^1].GetProperty("timings").GetProperty("predicted_n").GetInt32());
    }

    [Fact]
    public async Task Errors_have_its_shape()
    {
        JsonElement error = (await _server.AskAsync("/completion", """{"n_predict":3}""", HttpStatusCode.BadRequest)).GetProperty("error");
        Assert.Equal((400, "invalid_request_error", "prompt"),
            (error.GetProperty("code").GetInt32(), error.GetProperty("type").GetString(), error.GetProperty("param").GetString()));
        JsonElement infill =
            (await _server.AskAsync("/infill", """{"input_prefix":"a","input_suffix":"b"}""", HttpStatusCode.BadRequest)).GetProperty(
                "error");
        Assert.Contains("no tokens to fill a gap", infill.GetProperty("message").GetString(), StringComparison.Ordinal);
    }
}
