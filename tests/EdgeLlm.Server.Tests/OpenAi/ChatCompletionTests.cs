using System.Net;
using System.Text.Json;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Tests.OpenAi;

public sealed class ChatCompletionTests : IAsyncLifetime
{
    private const string Path = "/v1/chat/completions";

    private TestServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync();

    public ValueTask DisposeAsync() => _server is null ? ValueTask.CompletedTask : _server.DisposeAsync();

    [Fact]
    public async Task An_answer_has_what_clients_read()
    {
        JsonElement completion = await _server.AskAsync(Path, Request("\"max_tokens\":8"));
        Assert.Equal("chat.completion", completion.GetProperty("object").GetString());
        Assert.StartsWith("chatcmpl-", completion.GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.True(completion.GetProperty("created").GetInt64() > 1_700_000_000);
        JsonElement choice = Assert.Single(completion.GetProperty("choices").EnumerateArray());
        Assert.Equal((0, "length", "assistant"),
            (choice.GetProperty("index").GetInt32(), choice.GetProperty("finish_reason").GetString(),
                choice.GetProperty("message").GetProperty("role").GetString()));
        JsonElement usage = completion.GetProperty("usage");
        Assert.Equal(8, usage.GetProperty("completion_tokens").GetInt32());
        Assert.Equal(usage.GetProperty("total_tokens").GetInt32(), 8 + usage.GetProperty("prompt_tokens").GetInt32());
    }

    [Fact]
    public async Task A_stream_joins_to_the_same_answer()
    {
        string whole = TextOf(await _server.AskAsync(Path, Request("\"max_tokens\":20,\"seed\":7")));
        List<JsonElement> chunks = await _server.StreamAsync(Path,
            Request("\"max_tokens\":20,\"seed\":7,\"stream\":true,\"stream_options\":{\"include_usage\":true}"));
        Assert.Equal(whole,
            string.Concat(chunks.SelectMany(Deltas)
                .Select(delta => delta.TryGetProperty("content", out JsonElement text) ? text.GetString() : "")));
        Assert.Equal("assistant", Deltas(chunks[0]).Single().GetProperty("role").GetString());
        Assert.Single(chunks.Select(chunk => chunk.GetProperty("id").GetString()).Distinct());
        Assert.All(chunks, chunk => Assert.Equal("chat.completion.chunk", chunk.GetProperty("object").GetString()));
        JsonElement finish = chunks[^2].GetProperty("choices")[0];
        Assert.Equal("length", finish.GetProperty("finish_reason").GetString());
        Assert.Empty(finish.GetProperty("delta").EnumerateObject());
        Assert.Equal(0, chunks[^1].GetProperty("choices").GetArrayLength());
        Assert.Equal(20, chunks[^1].GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        Assert.All(chunks[..^2],
            chunk => Assert.Equal(JsonValueKind.Null, chunk.GetProperty("choices")[0].GetProperty("finish_reason").ValueKind));

        static IEnumerable<JsonElement> Deltas(JsonElement chunk) =>
            chunk.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("delta"));
    }

    [Theory]
    [InlineData("\"response_format\":{\"type\":\"json_object\"}", JsonValueKind.Object)]
    [InlineData(
        "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"strict\":true,\"schema\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":2}}}",
        JsonValueKind.Array)]
    [InlineData("\"response_format\":{\"type\":\"json_object\",\"schema\":{\"type\":\"string\",\"maxLength\":5}}", JsonValueKind.String)]
    [InlineData("\"json_schema\":{\"enum\":[1,2]}", JsonValueKind.Number)]
    [InlineData("\"grammar\":\"root ::= \\\"[\\\" [1-9]{1,3} \\\"]\\\"\"", JsonValueKind.Array)]
    public async Task An_answer_has_the_form_that_is_asked_for_within_its_limit(string field, JsonValueKind kind)
    {
        foreach (int most in new[] { 20, 60 })
        {
            JsonElement completion =
                await _server.AskAsync(Path, Request($"\"max_tokens\":{most},\"temperature\":1.5,\"stop\":[\"1\",\"{{\",\"[\"],{field}"));
            using JsonDocument answer = JsonDocument.Parse(TextOf(completion));
            Assert.Equal(kind, answer.RootElement.ValueKind);
            Assert.True(completion.GetProperty("usage").GetProperty("completion_tokens").GetInt32() <= most);
        }
    }

    [Fact]
    public async Task A_form_that_has_no_room_is_refused_before_anything_is_computed()
    {
        JsonElement error = await _server.AskAsync(Path, Request("\"max_tokens\":3,\"json_schema\":{\"type\":\"string\",\"minLength\":40}"),
            HttpStatusCode.BadRequest);
        Assert.Contains("and there is room for 3", error.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_seed_repeats_an_answer_and_stop_ends_one()
    {
        string first = TextOf(await _server.AskAsync(Path, Request("\"max_tokens\":40,\"seed\":-3")));
        Assert.Equal(first, TextOf(await _server.AskAsync(Path, Request("\"max_tokens\":40,\"seed\":-3"))));
        Assert.NotEqual(first, TextOf(await _server.AskAsync(Path, Request("\"max_tokens\":40,\"seed\":4"))));
        string stop = first.Substring(first.Length / 2, 4);
        JsonElement stopped =
            await _server.AskAsync(Path, Request($"\"max_tokens\":40,\"seed\":-3,\"stop\":[{JsonSerializer.Serialize(stop)}]"));
        Assert.Equal(first[..first.IndexOf(stop, StringComparison.Ordinal)], TextOf(stopped));
        Assert.Equal("stop", stopped.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
    }

    [Fact]
    public async Task Every_field_that_clients_send_is_taken_or_ignored()
    {
        await _server.AskAsync(Path, Request("""
            "max_completion_tokens":3,"temperature":0.5,"top_p":0.9,"n":1,"stop":null,"seed":-9007199254740991,"frequency_penalty":-2,"presence_penalty":2,
            "logit_bias":{"5":-100},"logprobs":false,"response_format":{"type":"text"},"stream":false,"stream_options":null,"tools":[],"tool_choice":"none",
            "parallel_tool_calls":true,"reasoning_effort":"low","user":"u","store":true,"metadata":{"a":"b"},"service_tier":"auto","modalities":["text"],"verbosity":"low",
            "prompt_cache_key":"k","safety_identifier":"s","top_k":5,"min_p":0.1,"typical_p":0.9,"repeat_penalty":1.1,"repeat_last_n":32
            """));
        await _server.AskAsync(Path, """
            {"model":"tiny:latest","max_tokens":2,"messages":[{"role":"developer","content":"d"},{"role":"user","name":"x","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
            {"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"r"}]}
            """);
    }

    [Theory]
    [InlineData("\"temperature\":-1", "temperature", "must be 0")]
    [InlineData("\"top_p\":2", "top_p", "0 to 1")]
    [InlineData("\"max_tokens\":-5", "max_tokens", "0 (no limit)")]
    [InlineData("\"max_tokens\":\"x\"", "max_tokens", "wrong type")]
    [InlineData("\"stop\":5", "stop", "a text or a list")]
    [InlineData("\"n\":9", "n", "1 to 8")]
    [InlineData("\"n\":0", "n", "1 to 8")]
    [InlineData("\"logprobs\":7", "logprobs", "wrong type")]
    [InlineData("\"logprobs\":true,\"top_logprobs\":21", "top_logprobs", "0 to 20")]
    [InlineData("\"logit_bias\":[[5]]", "logit_bias", "pairs")]
    [InlineData("\"guided_choice\":5", "guided_choice", "a text or a list")]
    [InlineData("\"guided_regex\":\"(\"", "guided_regex", "(")]
    [InlineData("\"guided_json\":{},\"grammar\":\"root ::= \\\"a\\\"\"", "guided_json", "beside grammar")]
    [InlineData("\"structured_outputs\":{\"json\":{\"type\":\"x\"}}", "structured_outputs.json", "is not a type")]
    [InlineData("\"chat_template_kwargs\":[]", "chat_template_kwargs", "an object")]
    [InlineData("\"tools\":[{}]", "tools[0].name", "is missing")]
    [InlineData("\"tools\":{}", "tools", "a list")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a b\"}}]", "tools[0].function.name", "letters")]
    [InlineData("\"tools\":[{\"type\":\"web_search\"}]", "tools[0].type", "'web_search' is not known")]
    [InlineData(
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\",\"strict\":true,\"parameters\":{\"type\":\"object\",\"not\":{}}}}]",
        "tools[0].function.parameters", "#/not")]
    [InlineData(
        "\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"a\",\"format\":{\"type\":\"grammar\",\"grammar\":{\"syntax\":\"bnf\",\"definition\":\"x\"}}}}]",
        "tools[0].custom.format.syntax", "lark and regex")]
    [InlineData(
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\"}}],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"b\"}}",
        "tool_choice", "'b'")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\"}}],\"tool_choice\":\"sometimes\"",
        "tool_choice", "'sometimes'")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\"}}],\"response_format\":{\"type\":\"json_object\"}",
        "response_format", "tool_choice")]
    [InlineData("\"response_format\":{\"type\":\"yaml\"}", "response_format", "'yaml' is not known")]
    [InlineData("\"response_format\":{\"type\":\"json_schema\"}", "response_format.json_schema.schema", "is missing")]
    [InlineData("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"not\":{}}}}",
        "response_format.json_schema.schema", "#/not: is not supported")]
    [InlineData("\"logit_bias\":{\"x\":1}", "logit_bias", "'x'")]
    [InlineData("\"logit_bias\":{\"99999\":1}", "logit_bias", "0 to 511")]
    [InlineData("\"max_tokens\":4.5", "max_tokens", "wrong type")]
    [InlineData("\"tool_choice\":\"required\"", "tool_choice", "there are no tools")]
    [InlineData("\"functions\":[{\"name\":\"f\"}],\"function_call\":{\"name\":\"g\"}", "tool_choice", "'g'")]
    [InlineData("\"function_call\":{\"name\":\"f\"}", "function_call", "there are no functions")]
    [InlineData("\"top_logprobs\":2", "top_logprobs", "logprobs: true")]
    [InlineData("\"grammar\":\"x ::= y\"", "grammar", "no rule 'root'")]
    [InlineData("\"json_schema\":{\"type\":\"objec\"}", "json_schema", "is not a type")]
    [InlineData("\"modalities\":[\"text\",\"audio\"]", "modalities", "text only")]
    [InlineData("\"mirostat\":2", "mirostat", "not supported")]
    [InlineData("\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\",\"tool_calls\":[null]}]",
        "messages[1].tool_calls[0]", "is null")]
    [InlineData("\"messages\":[]", "messages", "at least one")]
    [InlineData("\"messages\":[null]", "messages[0]", "null")]
    [InlineData("\"messages\":[{\"role\":\"king\",\"content\":\"\"}]", "messages[0].role", "king")]
    [InlineData("\"messages\":[{\"role\":\"user\",\"content\":7}]", "messages[0].content", "a text or a list")]
    [InlineData("\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]", "messages[0].content", "text only")]
    public async Task A_wrong_field_is_named(string field, string parameter, string problem)
    {
        JsonElement error = (await _server.AskAsync(Path, Request(field), HttpStatusCode.BadRequest)).GetProperty("error");
        Assert.Equal("invalid_request_error", error.GetProperty("type").GetString());
        Assert.Equal(parameter, error.GetProperty("param").GetString());
        Assert.Contains(problem, error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"top_k\":-1")]
    [InlineData("\"max_tokens\":-1,\"stop\":[\" \"]")]
    [InlineData("\"stop\":[\"\"]")]
    [InlineData("\"stop\":\"\"")]
    [InlineData("\"repeat_penalty\":0")]
    [InlineData("\"repetition_penalty\":1.1")]
    [InlineData("\"max_tokens\":4.0,\"seed\":1.0,\"n\":1.0,\"top_k\":4e1")]
    [InlineData(
        "\"functions\":[],\"function_call\":\"none\",\"tool_choice\":\"auto\",\"top_logprobs\":0,\"mirostat\":0,\"grammar\":\"\",\"json_schema\":null,\"ignore_eos\":false")]
    [InlineData(
        "\"stop\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\",\"15\",\"16\",\"17\",\"18\",\"19\",\"20\"]")]
    public async Task Off_is_taken_as_other_servers_clients_write_it(string fields) =>
        await _server.AskAsync(Path,
            Request(fields.Contains("max_tokens", StringComparison.Ordinal) ? fields : "\"max_tokens\":2," + fields));

    [Fact]
    public async Task A_seed_of_minus_one_is_a_random_one()
    {
        var answers = new HashSet<string>();
        for (int i = 0; i < 4; i++)
            answers.Add(TextOf(await _server.AskAsync(Path, Request("\"max_tokens\":40,\"temperature\":1.5,\"seed\":-1"))));
        Assert.NotEqual(1, answers.Count);
    }

    [Fact]
    public async Task Ignore_eos_goes_on_to_the_limit()
    {
        JsonElement completion = await _server.AskAsync(Path, Request("\"max_tokens\":200,\"temperature\":0,\"ignore_eos\":true"));
        Assert.Equal(200, completion.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    [Fact]
    public async Task An_assistants_last_turn_is_continued()
    {
        const string Messages =
            """{"model":"tiny","temperature":0,"max_tokens":3,"messages":[{"role":"User","content":"Tell me a story."},{"role":"assistant","content":"Once upon a time"}]}""";
        JsonElement completion = await _server.AskAsync(Path, Messages);
        Assert.StartsWith(", there", TextOf(completion), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{\"model\":\"tiny\",\"mess")]
    [InlineData("\"x\"")]
    public async Task What_is_no_request_is_refused(string body) =>
        Assert.NotEmpty((await _server.AskAsync(Path, body, HttpStatusCode.BadRequest)).GetProperty("error")
            .GetProperty("message").GetString()!);

    [Fact]
    public async Task A_prompt_longer_than_the_context_is_refused_and_an_answer_ends_with_it()
    {
        string text = string.Concat(Enumerable.Repeat("the cat sat on the mat. ", 300));
        JsonElement error =
            (await _server.AskAsync(Path, Request($"\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}]"),
                HttpStatusCode.BadRequest)).GetProperty("error");
        Assert.Equal("context_length_exceeded", error.GetProperty("code").GetString());

        await using TestServer small = await TestServer.StartAsync(new ServerOptions { Context = 64 });
        JsonElement completion = await small.AskAsync(Path, Request("\"temperature\":0,\"logit_bias\":{\"1\":-1000,\"2\":-1000}"));
        Assert.Equal("length", completion.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.Equal(65, completion.GetProperty("usage").GetProperty("total_tokens").GetInt32()); // the last one is not computed
    }

    [Fact]
    public async Task Models_are_listed_and_others_are_not_here()
    {
        Assert.Equal("tiny", (await _server.GetAsync("/v1/models")).GetProperty("data")[0].GetProperty("id").GetString());
        Assert.Equal("model", (await _server.GetAsync("/v1/models/tiny")).GetProperty("object").GetString());
        using HttpResponseMessage response = await _server.Client.GetAsync("/v1/models/some/body:7b");
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        JsonElement error =
            (await _server.AskAsync(Path, """{"model":"gpt-5","messages":[]}""", HttpStatusCode.NotFound)).GetProperty("error");
        Assert.Equal("model_not_found", error.GetProperty("code").GetString());
    }

    private static string Request(string fields) =>
        $$"""{"model":"tiny",{{(fields.Contains("messages", StringComparison.Ordinal) ? "" : "\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],")}}{{fields}}}""";

    private static string TextOf(JsonElement completion) =>
        completion.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
}
