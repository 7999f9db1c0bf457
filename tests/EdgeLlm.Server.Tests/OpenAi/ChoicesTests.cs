using System.Text.Json;

namespace EdgeLlm.Server.Tests.OpenAi;

/// <summary>Several answers to a prompt, probabilities of tokens, and forms by other servers' names.</summary>
public sealed class ChoicesTests : IAsyncLifetime
{
    private const string Path = "/v1/chat/completions";

    private TestServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync();

    public ValueTask DisposeAsync() => _server is null ? ValueTask.CompletedTask : _server.DisposeAsync();

    [Fact]
    public async Task Several_answers_are_those_of_their_seeds_alone_and_share_the_prompt()
    {
        JsonElement all = await _server.AskAsync(Path, Request("\"n\":3,\"seed\":5,\"max_tokens\":12"));
        JsonElement[] choices = [.. all.GetProperty("choices").EnumerateArray()];
        Assert.Equal([0, 1, 2], choices.Select(choice => choice.GetProperty("index").GetInt32()));
        for (int i = 0; i < 3; i++)
        {
            JsonElement alone = await _server.AskAsync(Path, Request($"\"seed\":{5 + i},\"max_tokens\":12"));
            Assert.Equal(TextOf(alone.GetProperty("choices")[0]), TextOf(choices[i]));
        }
        JsonElement usage = all.GetProperty("usage");
        Assert.Equal(36, usage.GetProperty("completion_tokens").GetInt32());
        Assert.Equal(usage.GetProperty("total_tokens").GetInt32(), 36 + usage.GetProperty("prompt_tokens").GetInt32());
        JsonElement one = (await _server.AskAsync(Path, Request("\"max_tokens\":1"))).GetProperty("usage");
        Assert.Equal(one.GetProperty("prompt_tokens").GetInt32(), usage.GetProperty("prompt_tokens").GetInt32());
    }

    [Fact]
    public async Task Streamed_answers_are_told_apart_by_their_index()
    {
        JsonElement whole = await _server.AskAsync(Path, Request("\"n\":2,\"seed\":5,\"max_tokens\":12"));
        List<JsonElement> chunks = await _server.StreamAsync(Path, Request("\"n\":2,\"seed\":5,\"max_tokens\":12,\"stream\":true"));
        for (int i = 0; i < 2; i++)
        {
            JsonElement[] own = [.. chunks.SelectMany(chunk => chunk.GetProperty("choices").EnumerateArray())
                .Where(choice => choice.GetProperty("index").GetInt32() == i)];
            Assert.Equal(TextOf(whole.GetProperty("choices")[i]),
                string.Concat(own.Select(choice => choice.GetProperty("delta").TryGetProperty("content", out JsonElement text)
                    ? text.GetString() : "")));
            Assert.Equal("assistant", own[0].GetProperty("delta").GetProperty("role").GetString());
            Assert.Equal("length", own[^1].GetProperty("finish_reason").GetString());
        }
    }

    [Fact]
    public async Task Probabilities_are_those_of_the_answers_tokens_and_sum_to_one_at_most()
    {
        JsonElement choice =
            (await _server.AskAsync(Path, Request("\"logprobs\":true,\"top_logprobs\":5,\"temperature\":0,\"max_tokens\":12"))).GetProperty(
                "choices")[0];
        JsonElement[] tokens = [.. choice.GetProperty("logprobs").GetProperty("content").EnumerateArray()];
        Assert.Equal(12, tokens.Length);
        Assert.Equal(TextOf(choice), string.Concat(tokens.Select(token => token.GetProperty("token").GetString())).TrimStart());
        foreach (JsonElement token in tokens)
        {
            JsonElement[] top = [.. token.GetProperty("top_logprobs").EnumerateArray()];
            Assert.Equal(5, top.Length);
            double[] logarithms = [.. top.Select(one => one.GetProperty("logprob").GetDouble())];
            Assert.Equal(logarithms.OrderDescending(), logarithms);
            Assert.True(logarithms.Sum(Math.Exp) is > 0 and <= 1.000001);
            // At temperature 0 the likeliest is chosen.
            Assert.Equal((top[0].GetProperty("id").GetInt32(), logarithms[0]),
                (token.GetProperty("id").GetInt32(), token.GetProperty("logprob").GetDouble()));
            Assert.Equal(token.GetProperty("token").GetString(),
                System.Text.Encoding.UTF8.GetString([.. token.GetProperty("bytes").EnumerateArray().Select(one => one.GetByte())]));
        }
    }

    [Fact]
    public async Task Probabilities_change_no_answer_come_in_streams_and_not_for_a_stop_string()
    {
        string plain = TextOf((await _server.AskAsync(Path, Request("\"seed\":3,\"max_tokens\":30"))).GetProperty("choices")[0]);
        JsonElement measured =
            (await _server.AskAsync(Path, Request("\"seed\":3,\"max_tokens\":30,\"logprobs\":true"))).GetProperty("choices")[0];
        Assert.Equal(plain, TextOf(measured));
        List<JsonElement> chunks =
            await _server.StreamAsync(Path, Request("\"seed\":3,\"max_tokens\":30,\"logprobs\":true,\"stream\":true"));
        JsonElement[] streamed = [.. chunks.SelectMany(chunk => chunk.GetProperty("choices").EnumerateArray())
            .Where(choice => choice.TryGetProperty("logprobs", out _))
            .SelectMany(choice => choice.GetProperty("logprobs").GetProperty("content").EnumerateArray())];
        Assert.Equal(measured.GetProperty("logprobs").GetProperty("content").GetRawText(),
            "[" + string.Join(',', streamed.Select(token => JsonSerializer.Serialize(token))) + "]");

        string stop = plain.Substring(plain.Length / 2, 5);
        JsonElement stopped =
            (await _server.AskAsync(Path,
                Request($"\"seed\":3,\"max_tokens\":30,\"logprobs\":true,\"stop\":[{JsonSerializer.Serialize(stop)}]"))).GetProperty(
                    "choices")[0];
        string tokens = string.Concat(stopped.GetProperty("logprobs").GetProperty("content").EnumerateArray()
            .Select(token => token.GetProperty("token").GetString())).TrimStart();
        Assert.StartsWith(tokens, TextOf(stopped) + tokens[^1..], StringComparison.Ordinal);
        Assert.DoesNotContain(stop, tokens, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"structured_outputs\":{\"regex\":\"[0-9]{3}\"}", "^[0-9]{3}$")]
    [InlineData("\"structured_outputs\":{\"choice\":[\"ja\",\"nein \\\"ö\\\"\"]}", "^(ja|nein \"ö\")$")]
    [InlineData("\"structured_outputs\":{\"json\":{\"enum\":[7,8]}}", "^[78]$")]
    [InlineData("\"structured_outputs\":{\"grammar\":\"root ::= \\\"a\\\" | \\\"b\\\"\"}", "^[ab]$")]
    [InlineData("\"guided_json\":\"{\\\"enum\\\":[7,8]}\"", "^[78]$")]
    [InlineData("\"guided_regex\":\"x+y\"", "^x+y$")]
    [InlineData("\"guided_choice\":[\"up\",\"down\"]", "^(up|down)$")]
    [InlineData("\"guided_grammar\":\"start: \\\"p\\\" | \\\"q\\\"\"", "^[pq]$")]
    public async Task Forms_of_vLLM_are_kept(string field, string pattern) =>
        Assert.Matches(pattern,
            TextOf((await _server.AskAsync(Path, Request("\"max_tokens\":30,\"temperature\":1.5," + field))).GetProperty("choices")[0]));

    [Fact]
    public async Task A_bias_is_taken_as_llama_cpp_writes_it()
    {
        JsonElement banned =
            await _server.AskAsync(Path, Request("\"max_tokens\":20,\"temperature\":0,\"logit_bias\":[[\"e\",false],[411,-100]]"));
        Assert.DoesNotContain(TextOf(banned.GetProperty("choices")[0]).Split(' '), word => word == "e");
    }

    [Fact]
    public async Task A_last_turn_of_the_assistant_is_continued_unless_that_is_not_wanted()
    {
        const string Messages =
            "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Once upon a\"}]";
        string continued =
            TextOf(
                (await _server.AskAsync(Path, $"{{\"model\":\"tiny\",{Messages},\"temperature\":0,\"max_tokens\":6}}")).GetProperty(
                    "choices")[0]);
        Assert.StartsWith(" time", continued, StringComparison.Ordinal);
        string anew =
            TextOf(
                (await _server.AskAsync(Path,
                    $"{{\"model\":\"tiny\",{Messages},\"temperature\":0,\"max_tokens\":6,\"continue_final_message\":false}}")).GetProperty(
                        "choices")[0]);
        Assert.NotEqual(continued, anew);
    }

    [Fact]
    public async Task Timings_and_models_have_what_llama_cpps_clients_read()
    {
        JsonElement timings = (await _server.AskAsync(Path, Request("\"max_tokens\":4"))).GetProperty("timings");
        Assert.Equal(4, timings.GetProperty("predicted_n").GetInt32());
        Assert.True(timings.GetProperty("predicted_per_second").GetDouble() > 0 && timings.GetProperty("prompt_n").GetInt32() > 0);
        JsonElement model = (await _server.GetAsync("/v1/models")).GetProperty("data")[0];
        Assert.Equal((512, 512),
            (model.GetProperty("context_length").GetInt32(), model.GetProperty("meta").GetProperty("n_ctx").GetInt32()));
    }

    private static string TextOf(JsonElement choice) => choice.GetProperty("message").GetProperty("content").GetString()!;

    private static string Request(string fields) =>
        $"{{\"model\":\"tiny\",\"messages\":[{{\"role\":\"user\",\"content\":\"Tell me a story.\"}}],{fields}}}";
}
