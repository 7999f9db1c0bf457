using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using EdgeLlm.Server.Settings;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Server.Tests.Ollama;

public sealed class OllamaTests : IAsyncLifetime
{
    private TestServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync(new ServerOptions { Context = 128 });

    public ValueTask DisposeAsync() => _server is null ? ValueTask.CompletedTask : _server.DisposeAsync();

    [Fact]
    public async Task Chat_streams_unless_told_otherwise_and_both_say_the_same()
    {
        const string Fields = "\"options\":{\"seed\":3,\"num_predict\":12.0}";
        List<JsonElement> lines = await _server.StreamAsync("/api/chat", Chat(Fields));
        JsonElement whole = await _server.AskAsync("/api/chat", Chat(Fields + ",\"stream\":false"));
        Assert.Equal(whole.GetProperty("message").GetProperty("content").GetString(),
            string.Concat(lines.Select(line => line.GetProperty("message").GetProperty("content").GetString())));
        Assert.All(lines[..^1], line => Assert.False(line.GetProperty("done").GetBoolean()));
        foreach (JsonElement end in new[] { lines[^1], whole })
        {
            Assert.True(end.GetProperty("done").GetBoolean());
            Assert.Equal(("length", 12), (end.GetProperty("done_reason").GetString(), end.GetProperty("eval_count").GetInt32()));
            foreach (string duration in new[] { "total_duration", "load_duration", "prompt_eval_duration", "eval_duration" })
                Assert.True(end.GetProperty(duration).GetInt64() > 0);
            Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$", end.GetProperty("created_at").GetString());
        }
    }

    [Fact]
    public async Task Show_tells_of_the_model_what_editors_ask_before_they_list_it()
    {
        foreach (string body in (string[])["""{"model":"tiny"}""", """{"name":"TINY:latest"}"""])
        {
            JsonElement shown = await _server.AskAsync("/api/show", body);
            JsonElement information = shown.GetProperty("model_info");
            Assert.Equal("llama", information.GetProperty("general.architecture").GetString());
            Assert.Equal(128, information.GetProperty("llama.context_length").GetInt32()); // what is served, not what it was trained on
            Assert.Equal(260_000, information.GetProperty("general.parameter_count").GetInt64());
            Assert.Equal(["completion", "tools"], shown.GetProperty("capabilities").EnumerateArray().Select(one => one.GetString()));
            Assert.False(shown.TryGetProperty("system", out _) || shown.TryGetProperty("messages", out _));
            Assert.Equal("F32", shown.GetProperty("details").GetProperty("quantization_level").GetString());
            Assert.Contains("im_start", shown.GetProperty("template").GetString());
            Assert.Equal("num_ctx 128", shown.GetProperty("parameters").GetString());
        }
        await _server.AskAsync("/api/show", """{"model":"other"}""", HttpStatusCode.NotFound);
        await _server.AskAsync("/api/show", "{}", HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Ps_tells_what_is_loaded_and_what_it_takes()
    {
        JsonElement running = Assert.Single((await _server.GetAsync("/api/ps")).GetProperty("models").EnumerateArray());
        Assert.Equal(("tiny:latest", 128), (running.GetProperty("name").GetString(), running.GetProperty("context_length").GetInt32()));
        Assert.True(running.GetProperty("size").GetInt64() > 260_000);
        Assert.Equal(0, running.GetProperty("size_vram").GetInt64());
        Assert.Equal((false, 0), (running.GetProperty("computing").GetBoolean(), running.GetProperty("waiting").GetInt32()));
        Assert.True(DateTimeOffset.Parse(running.GetProperty("expires_at").GetString()!) > DateTimeOffset.UtcNow.AddYears(100));
        await using TestServer loading = await TestServer.StartLoadingAsync();
        Assert.Empty((await loading.GetAsync("/api/ps")).GetProperty("models").EnumerateArray());
    }

    [Fact]
    public async Task An_answer_that_repeats_itself_ends_with_length_unless_a_limit_was_asked_for()
    {
        // A bias makes the model say one token for ever.
        static string Request(string more) =>
            "{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"temperature\":0,\"logit_bias\":{\"300\":100000}"
                + more + "}";
        JsonElement guarded = await _server.AskAsync("/v1/chat/completions", Request(""));
        Assert.Equal("length", guarded.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.Equal(64, guarded.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        await _server.AssertLogsAsync("ended by Loop");
        JsonElement asked = await _server.AskAsync("/v1/chat/completions", Request(",\"max_tokens\":80"));
        Assert.Equal(80, asked.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    [Fact]
    public async Task Generate_goes_on_from_its_context()
    {
        JsonElement first = await _server.AskAsync("/api/generate",
            """{"model":"tiny","prompt":"Tom has a dog.","system":"s","stream":false,"options":{"temperature":0,"num_predict":6}}""");
        int[] context = [.. first.GetProperty("context").EnumerateArray().Select(token => token.GetInt32())];
        Assert.Equal(first.GetProperty("prompt_eval_count").GetInt32() + 6, context.Length);
        JsonElement next = await _server.AskAsync("/api/generate",
            $$$"""{"model":"tiny","prompt":"And?","context":[{{{string.Join(',', context)}}}],"stream":false,"options":{"num_predict":2}}""");
        Assert.True(next.GetProperty("prompt_eval_count").GetInt32() > context.Length);
        await _server.AskAsync("/api/generate", """{"model":"tiny","prompt":"x","context":[-1],"stream":false}""",
            HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task A_raw_prompt_is_continued_as_it_is()
    {
        JsonElement answer = await _server.AskAsync("/api/generate",
            """{"model":"tiny","prompt":"Once upon a time","raw":true,"stream":false,"options":{"temperature":0,"num_predict":8}}""");
        Assert.StartsWith(", there was", answer.GetProperty("response").GetString(), StringComparison.Ordinal);
        Assert.False(answer.TryGetProperty("context", out _));
    }

    [Fact]
    public async Task A_long_conversation_loses_its_oldest_turns_unless_it_may_not()
    {
        string turns = string.Join(',',
            Enumerable.Range(0, 12)
                .Select(i => $$"""{"role":"{{(i % 2 == 0 ? "user" : "assistant")}}","content":"number {{i}} is a good number"}"""));
        string request =
            $$"""{"model":"tiny","stream":false,"options":{"num_predict":4},"messages":[{"role":"system","content":"s"},{{turns}},{"role":"user","content":"end"}]""";
        JsonElement answer = await _server.AskAsync("/api/chat", request + "}");
        Assert.InRange(answer.GetProperty("prompt_eval_count").GetInt32(), 20, 124);
        await _server.AskAsync("/api/chat", request + ",\"truncate\":false}", HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Empty_requests_ask_for_the_model_to_be_loaded_or_let_go()
    {
        Assert.Equal("unload",
            (await _server.AskAsync("/api/chat", """{"model":"tiny","messages":[],"keep_alive":"0h0m"}""")).GetProperty("done_reason")
                .GetString());
        Assert.Equal("load",
            (await _server.AskAsync("/api/chat", """{"model":"tiny","messages":[]}""")).GetProperty("done_reason").GetString());
        Assert.Equal("unload",
            (await _server.AskAsync("/api/generate", """{"model":"tiny","prompt":"","keep_alive":0,"stream":false}""")).GetProperty(
                "done_reason").GetString());
    }

    [Fact]
    public async Task What_Home_Assistant_and_old_clients_send_is_taken() => await _server.AskAsync("/api/chat", Chat("""
        "stream":false,"think":false,"keep_alive":-1,"format":"","tools":[],"options":{"num_predict":2,"num_ctx":8192,"tfs_z":1,"mirostat":0,"numa":false,"stop":["x"],"top_k":5,"use_mmap":true}
        """));

    [Fact]
    public async Task A_client_that_counts_on_a_longer_context_gets_its_answer_and_the_log_says_what_there_is()
    {
        foreach (int length in (int[])[128, 4096, 4096, 2048, 8192]) await _server.AskAsync("/api/chat", Chat($$"""
            "stream":false,"options":{"num_predict":1,"num_ctx":{{length}}}
            """));
        await _server.AskAsync("/api/generate",
            """{"model":"tiny","prompt":"Hi","stream":false,"options":{"num_predict":1,"num_ctx":16384}}""");
        string[] warnings = [.. _server.Log.Split('\n').Where(line => line.Contains("num_ctx", StringComparison.Ordinal))];
        Assert.Equal(3, warnings.Length);
        Assert.All(new[] { 4096, 8192, 16384 }.Zip(warnings),
            pair => Assert.Contains($"asks for a context of {pair.First} tokens (num_ctx) and gets the 128 that are served", pair.Second));
    }

    [Theory]
    [InlineData("\"format\":\"json\"", JsonValueKind.Object)]
    [InlineData("\"format\":{\"type\":\"array\",\"items\":{\"type\":\"boolean\"}}", JsonValueKind.Array)]
    public async Task An_answer_has_the_format_that_is_asked_for(string field, JsonValueKind kind)
    {
        JsonElement answer = await _server.AskAsync("/api/chat", Chat($"\"stream\":false,\"options\":{{\"num_predict\":30}},{field}"));
        using JsonDocument json = JsonDocument.Parse(answer.GetProperty("message").GetProperty("content").GetString()!);
        Assert.Equal(kind, json.RootElement.ValueKind);
    }

    [Theory]
    [InlineData("\"options\":{\"num_ctx\":\"long\"}", "option \"num_ctx\" must be a number")]
    [InlineData("\"options\":{\"num_predict\":1.5}", "option \"num_predict\" must be of type integer")]
    [InlineData("\"options\":{\"temperature\":\"hot\"}", "option \"temperature\" must be a number")]
    [InlineData("\"options\":{\"top_p\":7}", "top_p is 7")]
    [InlineData("\"options\":5", "options has a value of the wrong type")]
    [InlineData("\"think\":true", "\"tiny\" does not support thinking")]
    [InlineData("\"tools\":[{\"type\":\"function\"}]", "tools[0].name is missing")]
    [InlineData("\"format\":\"yaml\"", "invalid format: expected \"json\" or a JSON schema")]
    [InlineData("\"format\":{\"not\":{}}", "format: schema #/not: is not supported")]
    [InlineData("\"top_logprobs\":21", "top_logprobs must be between")]
    [InlineData("\"options\":{\"creativity\":1}", "options.creativity: ")]
    [InlineData("\"options\":{\"mirostat\":1}", "mirostat: ")]
    [InlineData("\"messages\":[{\"role\":\"assistant\",\"content\":\"b\",\"tool_calls\":[null]}]", "messages[0].tool_calls[0] is null")]
    public async Task A_wrong_field_is_an_error_in_Ollamas_shape(string field, string message) =>
        Assert.Contains(message, (await _server.AskAsync("/api/chat", Chat(field), HttpStatusCode.BadRequest)).GetProperty("error")
            .GetString(), StringComparison.Ordinal);

    [Theory]
    [InlineData("\"options\":{\"num_predict\":2,\"top_k\":-1}")]
    [InlineData("\"options\":{\"num_predict\":2,\"repeat_penalty\":0,\"stop\":[\"\"]}")]
    [InlineData("\"options\":{\"num_predict\":2,\"mirostat\":0},\"logprobs\":false,\"think\":null")]
    [InlineData(
        "\"options\":{\"num_predict\":2},\"messages\":[{\"role\":\"developer\",\"content\":\"d\"},{\"role\":\"user\",\"content\":\"a\"}]")]
    public async Task Off_is_taken_as_other_servers_clients_write_it(string fields) =>
        await _server.AskAsync("/api/chat", Chat(fields + ",\"stream\":false"));

    [Fact]
    public async Task A_prompt_with_BOS_in_its_text_gets_no_second_one()
    {
        Assert.Equal(await TokensOf("Hello"), await TokensOf("<s>Hello"));

        async Task<int> TokensOf(string prompt) => (await _server.AskAsync("/api/generate",
            $$$"""{"model":"tiny","prompt":"{{{prompt}}}","raw":true,"stream":false,"options":{"num_predict":1}}""")).GetProperty(
                "prompt_eval_count").GetInt32();
    }

    [Fact]
    public async Task What_follows_a_context_is_what_the_chat_would_have_there()
    {
        JsonElement first = await _server.AskAsync("/api/generate",
            """{"model":"tiny","prompt":"Hi","stream":false,"options":{"temperature":0,"num_predict":6}}""");
        int[] context = [.. first.GetProperty("context").EnumerateArray().Select(token => token.GetInt32())];
        JsonElement next = await _server.AskAsync("/api/generate",
            $$$"""{"model":"tiny","prompt":"And?","context":[{{{string.Join(',', context)}}}],"stream":false,"options":{"num_predict":1}}""");
        int[] whole = [.. next.GetProperty("context").EnumerateArray().Select(token => token.GetInt32())];
        Tokenizer tokenizer = _server.Server.Engine.Open[0].Model.Tokenizer;
        Assert.Equal(1, whole.Count(token => token == tokenizer.BosId));
        Assert.Equal("<|im_end|>\n<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\n",
            tokenizer.Decode([.. whole[context.Length..^1]]).TrimStart(' '));
    }

    [Fact]
    public async Task Models_are_listed_while_the_model_is_loaded_and_after()
    {
        await using TestServer server = await TestServer.StartLoadingAsync();
        Assert.Equal("tiny:latest", (await server.GetAsync("/api/tags")).GetProperty("models")[0].GetProperty("name").GetString());
        await server.AskAsync("/api/chat", Chat("\"stream\":false"), HttpStatusCode.ServiceUnavailable);
        Assert.False((await server.GetAsync("/api/tags")).GetProperty("models")[0].TryGetProperty("digest", out _));
        server.Load();
        await server.WaitForDigestAsync();
        string expected = Convert.ToHexStringLower(
            SHA256.HashData(await File.ReadAllBytesAsync(server.ModelPath, TestContext.Current.CancellationToken)));
        Assert.Equal(expected, (await server.GetAsync("/api/tags")).GetProperty("models")[0].GetProperty("digest").GetString());
        await server.AskAsync("/api/chat", Chat("\"stream\":false,\"options\":{\"num_predict\":1}"));
    }

    [Fact]
    public async Task Other_models_are_not_found() =>
        Assert.Equal("model 'llama3' not found; the model here is 'tiny'",
            (await _server.AskAsync("/api/chat", """{"model":"llama3"}""", HttpStatusCode.NotFound)).GetProperty("error").GetString());

    [Fact]
    public async Task Tags_and_version_are_as_clients_parse_them()
    {
        await _server.WaitForDigestAsync();
        JsonElement model = Assert.Single((await _server.GetAsync("/api/tags")).GetProperty("models").EnumerateArray());
        Assert.Equal(("tiny:latest", "tiny:latest"), (model.GetProperty("name").GetString(), model.GetProperty("model").GetString()));
        Assert.Matches("^[0-9a-f]{64}$", model.GetProperty("digest").GetString());
        Assert.Equal("0.26M", model.GetProperty("details").GetProperty("parameter_size").GetString());
        Assert.Matches(@"^\d+\.\d+\.\d+$", (await _server.GetAsync("/api/version")).GetProperty("version").GetString());
        using HttpResponseMessage head = await _server.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/api/version"));
        Assert.Equal(HttpStatusCode.OK, head.StatusCode);
    }

    private static string Chat(string fields) =>
        $$"""{"model":"tiny",{{(fields.Contains("messages", StringComparison.Ordinal) ? "" : "\"messages\":[{\"role\":\"USER\",\"content\":\"Once upon a time\"}],")}}{{fields}}}""";
}
