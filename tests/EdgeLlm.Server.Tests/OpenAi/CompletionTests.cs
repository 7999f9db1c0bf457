using System.Net;
using System.Text.Json;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Tests.OpenAi;

public sealed class CompletionTests : IAsyncLifetime
{
    private const string Path = "/v1/completions";

    private TestServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync();

    public ValueTask DisposeAsync() => _server is null ? ValueTask.CompletedTask : _server.DisposeAsync();

    [Fact]
    public async Task A_text_is_continued_and_streamed_alike()
    {
        JsonElement completion = await _server.AskAsync(Path, Request("\"prompt\":\"Once upon a\""));
        string text = TextOf(completion);
        Assert.Equal("text_completion", completion.GetProperty("object").GetString());
        Assert.StartsWith(" time", text, StringComparison.Ordinal);
        List<JsonElement> chunks = await _server.StreamAsync(Path,
            Request("\"prompt\":\"Once upon a\",\"stream\":true,\"stream_options\":{\"include_usage\":true}"));
        Assert.Equal(text,
            string.Concat(chunks.SelectMany(chunk => chunk.GetProperty("choices").EnumerateArray())
                .Select(choice => choice.GetProperty("text").GetString())));
        Assert.Equal(10, chunks[^1].GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    [Fact]
    public async Task Prompts_as_texts_and_tokens_are_answered_in_their_order()
    {
        JsonElement tokens =
            (await _server.AskAsync("/tokenize", """{"content":"Once upon a","add_special":true}""")).GetProperty("tokens");
        JsonElement completion = await _server.AskAsync(Path, Request($"\"prompt\":[\"The cat\",{tokens.GetRawText()}]"));
        Assert.Equal(2, completion.GetProperty("choices").GetArrayLength());
        Assert.Equal(TextOf(await _server.AskAsync(Path, Request("\"prompt\":\"Once upon a\""))),
            completion.GetProperty("choices")[1].GetProperty("text").GetString());
    }

    /// <summary>The plan has one context: a prompt is measured in it, not in another one beside.</summary>
    [Fact]
    public async Task A_prompt_is_measured_in_a_context_of_the_plan_and_waits_for_one()
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { Parallel = 1, Conversations = 1, CacheMemory = 0 });
        string longest = JsonSerializer.Serialize(Enumerable.Range(0, 512).Select(i => 300 + i % 150));
        string echo = $"{{\"model\":\"tiny\",\"prompt\":{longest},\"echo\":true,\"logprobs\":2,\"max_tokens\":0}}";
        string alone = await ProbabilitiesAsync(server, echo);
        Assert.Equal(512, JsonDocument.Parse(alone).RootElement.GetArrayLength());
        Task<string>[] measured;
        using (HttpResponseMessage answer = await server.BeginComputingAsync("/completion",
            """{"prompt":"Once","n_predict":100000,"ignore_eos":true,"stream":true}"""))
        {
            measured = [.. Enumerable.Range(0, 3).Select(_ => MeasuredAsync())];
            await answer.Content.ReadAsStringAsync(); // the whole context
        }
        foreach (Task<string> one in measured) Assert.Equal(alone, await one);
        // A conversation that is kept gives way, and is computed anew.
        const string Ask = """{"model":"tiny","prompt":"Once upon a time","max_tokens":8,"temperature":0}""";
        string first = TextOf(await server.AskAsync("/v1/completions", Ask));
        Assert.Equal(alone, await ProbabilitiesAsync(server, echo));
        Assert.Equal(first, TextOf(await server.AskAsync("/v1/completions", Ask)));

        async Task<string> MeasuredAsync()
        {
            string text = await ProbabilitiesAsync(server, echo);
            Assert.False(server.Server.Engine.IsComputing, "it was measured beside the answer that had the only context");
            return text;
        }

        static async Task<string> ProbabilitiesAsync(TestServer server, string body) =>
            (await server.AskAsync("/v1/completions", body)).GetProperty("choices")[0].GetProperty("logprobs")
                .GetProperty("token_logprobs").GetRawText();

        static string TextOf(JsonElement answer) => answer.GetProperty("choices")[0].GetProperty("text").GetString()!;
    }

    [Fact]
    public async Task The_prompt_is_echoed_with_its_probabilities()
    {
        JsonElement choice =
            (await _server.AskAsync(Path,
                Request("\"prompt\":\"Once upon a time\",\"echo\":true,\"logprobs\":1,\"max_tokens\":0"))).GetProperty("choices")[0];
        Assert.Equal("Once upon a time", choice.GetProperty("text").GetString());
        JsonElement probabilities = choice.GetProperty("logprobs");
        string[] tokens = [.. probabilities.GetProperty("tokens").EnumerateArray().Select(token => token.GetString()!)];
        Assert.Equal("Once upon a time", string.Concat(tokens).Trim());
        float[] logarithms = [.. probabilities.GetProperty("token_logprobs").EnumerateArray().Select(one => one.GetSingle())];
        Assert.Equal(tokens.Length, logarithms.Length);
        Assert.All(logarithms, one => Assert.InRange(one, -30, 0));
        // What a continuation says of the same token.
        JsonElement whole =
            (await _server.AskAsync(Path,
                Request("\"prompt\":\"Once upon a time\",\"echo\":true,\"logprobs\":1,\"max_tokens\":3"))).GetProperty(
                    "choices")[0].GetProperty("logprobs");
        Assert.Equal(tokens.Length + 3, whole.GetProperty("tokens").GetArrayLength());
        JsonElement continued =
            (await _server.AskAsync(Path,
                Request(
                    $"\"prompt\":{JsonSerializer.Serialize("Once upon a time" + whole.GetProperty("tokens")[tokens.Length].GetString())},\"echo\":true,\"logprobs\":1,\"max_tokens\":0"))).GetProperty(
                        "choices")[0].GetProperty("logprobs");
        Assert.Equal(whole.GetProperty("token_logprobs")[tokens.Length].GetSingle(),
            continued.GetProperty("token_logprobs").EnumerateArray().Last().GetSingle());
    }

    [Fact]
    public async Task The_best_of_several_is_given()
    {
        JsonElement best =
            await _server.AskAsync(Path, Request("\"prompt\":\"The\",\"temperature\":1.3,\"seed\":3,\"best_of\":4,\"n\":1,\"logprobs\":0"));
        JsonElement all = await _server.AskAsync(Path, Request("\"prompt\":\"The\",\"temperature\":1.3,\"seed\":3,\"n\":4,\"logprobs\":0"));
        double[] means = [.. all.GetProperty("choices").EnumerateArray()
            .Select(choice => choice.GetProperty("logprobs").GetProperty("token_logprobs").EnumerateArray()
                .Average(one => one.GetDouble()))];
        Assert.Equal(all.GetProperty("choices")[Array.IndexOf(means, means.Max())].GetProperty("text").GetString(), TextOf(best));
    }

    [Theory]
    [InlineData("\"prompt\":5", "prompt")]
    [InlineData("\"max_tokens\":4", "prompt")]
    [InlineData("\"prompt\":\"a\",\"suffix\":\"b\"", "suffix")]
    [InlineData("\"prompt\":\"a\",\"best_of\":1,\"n\":2", "best_of")]
    [InlineData("\"prompt\":[99999]", "prompt")]
    [InlineData("\"prompt\":\"a\",\"logprobs\":21", "logprobs")]
    [InlineData("\"prompt\":[\"a\",\"b\",\"c\"],\"n\":3", "n")]
    public async Task A_wrong_field_is_named(string fields, string parameter) =>
        Assert.Equal(parameter,
            (await _server.AskAsync(Path, Request(fields), HttpStatusCode.BadRequest)).GetProperty("error")
                .GetProperty("param").GetString());

    [Fact]
    public async Task Vectors_are_floats_or_their_bytes_and_shorter_ones_have_length_one()
    {
        JsonElement floats = await _server.AskAsync("/v1/embeddings", """{"model":"tiny","input":["a cat","a dog"]}""");
        float[] vector = [.. floats.GetProperty("data")[1].GetProperty("embedding").EnumerateArray().Select(one => one.GetSingle())];
        JsonElement bytes = await _server.AskAsync("/v1/embeddings", """{"model":"tiny","input":"a dog","encoding_format":"base64"}""");
        byte[] raw = Convert.FromBase64String(bytes.GetProperty("data")[0].GetProperty("embedding").GetString()!);
        Assert.Equal(vector, System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(raw).ToArray());
        JsonElement few = await _server.AskAsync("/v1/embeddings", """{"model":"tiny","input":"a dog","dimensions":8}""");
        Assert.Equal(1,
            few.GetProperty("data")[0].GetProperty("embedding").EnumerateArray().Sum(one => one.GetDouble() * one.GetDouble()), 5);
        JsonElement ollama = await _server.AskAsync("/api/embed", """{"model":"tiny","input":["a cat","a dog"]}""");
        Assert.Equal(vector, ollama.GetProperty("embeddings")[1].EnumerateArray().Select(one => one.GetSingle()));
        JsonElement older = await _server.AskAsync("/api/embeddings", """{"model":"tiny","prompt":"a dog"}""");
        Assert.Equal(vector, older.GetProperty("embedding").EnumerateArray().Select(one => one.GetSingle()));
        string text = JsonSerializer.Serialize(string.Concat(Enumerable.Repeat("word ", 800)));
        Assert.Equal(512,
            (await _server.AskAsync("/api/embed", $"{{\"model\":\"tiny\",\"input\":{text}}}")).GetProperty("prompt_eval_count").GetInt32());
        await _server.AskAsync("/api/embed", $"{{\"model\":\"tiny\",\"input\":{text},\"truncate\":false}}", HttpStatusCode.BadRequest);
        JsonElement error =
            await _server.AskAsync("/v1/rerank", """{"model":"tiny","query":"q","documents":["a"]}""", HttpStatusCode.BadRequest);
        Assert.Contains("cross-encoder", error.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    private static string TextOf(JsonElement completion) => completion.GetProperty("choices")[0].GetProperty("text").GetString()!;

    private static string Request(string fields) =>
        $"{{\"model\":\"tiny\",{(fields.Contains("max_tokens", StringComparison.Ordinal) ? "" : "\"max_tokens\":10,")}{(fields.Contains("temperature", StringComparison.Ordinal) ? "" : "\"temperature\":0,")}{fields}}}";
}
