using System.Text.Json;

namespace EdgeLlm.Server.Tests.OpenAi;

/// <summary>Tools over HTTP: required ones with a model, those that a model decides on with a script in its place.</summary>
public sealed class ToolTests : IAsyncLifetime
{
    private const string Path = "/v1/chat/completions";
    private const string Light =
        """{"type":"function","function":{"name":"light","description":"d","parameters":{"type":"object","properties":{"on":{"type":"boolean"}},"required":["on"],"additionalProperties":false}}}""";
    private const string Lamp = """{"type":"function","function":{"name":"light"}}""";
    private const string Bell = """{"type":"function","function":{"name":"bell"}}""";
    private const string Call = "<tool_call>\n{\"name\": \"light\", \"arguments\": {\"on\": true}}\n</tool_call>";

    private TestServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync();

    public ValueTask DisposeAsync() => _server is null ? ValueTask.CompletedTask : _server.DisposeAsync();

    [Theory]
    [InlineData("\"required\"", true)]
    [InlineData("{\"type\":\"function\",\"function\":{\"name\":\"light\"}}", true)]
    [InlineData(
        "{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"light\"}}]}}",
        true)]
    public async Task A_required_call_comes_whole_and_in_a_stream(string choice, bool single)
    {
        string request =
            Request(
                $"\"tools\":[{Light}],\"tool_choice\":{choice},\"parallel_tool_calls\":{(single ? "false" : "true")},\"max_tokens\":220,\"seed\":3");
        JsonElement answer = (await _server.AskAsync(Path, request)).GetProperty("choices")[0];
        Assert.Equal("tool_calls", answer.GetProperty("finish_reason").GetString());
        Assert.Equal(JsonValueKind.Null, answer.GetProperty("message").GetProperty("content").ValueKind);
        JsonElement call = Assert.Single(answer.GetProperty("message").GetProperty("tool_calls").EnumerateArray());
        Assert.Equal(("function", "light"),
            (call.GetProperty("type").GetString(), call.GetProperty("function").GetProperty("name").GetString()));
        string arguments = call.GetProperty("function").GetProperty("arguments").GetString()!;
        Assert.Contains(JsonDocument.Parse(arguments).RootElement.GetProperty("on").ValueKind,
            (JsonValueKind[])[JsonValueKind.True, JsonValueKind.False]);

        List<JsonElement> deltas = await DeltasAsync(request);
        JsonElement first = deltas[0].GetProperty("tool_calls")[0];
        Assert.Equal(("assistant", 0, "light"),
            (deltas[0].GetProperty("role").GetString(), first.GetProperty("index").GetInt32(),
                first.GetProperty("function").GetProperty("name").GetString()));
        Assert.Equal(arguments, string.Concat(deltas.Where(delta => delta.TryGetProperty("tool_calls", out _))
            .Select(delta => delta.GetProperty("tool_calls")[0].GetProperty("function").GetProperty("arguments").GetString())));
    }

    [Fact]
    public async Task Old_functions_are_answered_as_they_were()
    {
        JsonElement answer =
            (await _server.AskAsync(Path,
                Request(
                    "\"functions\":[{\"name\":\"light\",\"parameters\":{\"type\":\"object\",\"properties\":{\"on\":{\"type\":\"boolean\"}},\"required\":[\"on\"],\"additionalProperties\":false}}],\"function_call\":{\"name\":\"light\"},\"max_tokens\":220"))).GetProperty(
                        "choices")[0];
        Assert.Equal("function_call", answer.GetProperty("finish_reason").GetString());
        Assert.Equal("light", answer.GetProperty("message").GetProperty("function_call").GetProperty("name").GetString());
        Assert.False(answer.GetProperty("message").TryGetProperty("tool_calls", out _));
    }

    [Fact]
    public async Task A_custom_tool_gets_a_text_of_its_grammar()
    {
        const string Tool =
            """{"type":"custom","custom":{"name":"sum","format":{"type":"grammar","grammar":{"syntax":"regex","definition":"[1-9]\\+[1-9]"}}}}""";
        string request = Request(
            $"\"tools\":[{Tool}],\"tool_choice\":{{\"type\":\"custom\",\"custom\":{{\"name\":\"sum\"}}}},\"max_tokens\":80,\"seed\":1");
        JsonElement call = (await _server.AskAsync(Path, request)).GetProperty("choices")[0].GetProperty("message")
            .GetProperty("tool_calls")[0];
        Assert.Equal("custom", call.GetProperty("type").GetString());
        string input = call.GetProperty("custom").GetProperty("input").GetString()!;
        Assert.Matches("^[1-9]\\+[1-9]$", input);
        List<JsonElement> deltas = await DeltasAsync(request);
        Assert.Equal(input, string.Concat(deltas.Where(delta => delta.TryGetProperty("tool_calls", out _))
            .Select(delta => delta.GetProperty("tool_calls")[0].GetProperty("custom").GetProperty("input").GetString())));
    }

    [Fact]
    public async Task Where_the_model_decides_text_and_parallel_calls_are_told_apart_as_they_come()
    {
        Script(
            "Hm.\n<tool_call>{\"name\":\"light\",\"arguments\":{\"on\": "
                + "true}}</tool_call><tool_call>{\"name\":\"bell\",\"arguments\":{}}</tool_call>");
        string request = Request($"\"tools\":[{Lamp},{Bell}]");
        JsonElement answer = (await _server.AskAsync(Path, request)).GetProperty("choices")[0];
        Assert.Equal(("tool_calls", "Hm."),
            (answer.GetProperty("finish_reason").GetString(), answer.GetProperty("message").GetProperty("content").GetString()));
        Assert.Equal(["light", "bell"],
            answer.GetProperty("message").GetProperty("tool_calls").EnumerateArray()
                .Select(call => call.GetProperty("function").GetProperty("name").GetString()!));

        List<JsonElement> deltas = await DeltasAsync(request);
        Assert.Equal("Hm.",
            string.Concat(deltas.Select(delta => delta.TryGetProperty("content", out JsonElement text) ? text.GetString() : "")));
        JsonElement[] calls =
            [.. deltas.Where(delta => delta.TryGetProperty("tool_calls", out _)).Select(delta => delta.GetProperty("tool_calls")[0])];
        Assert.Equal("{\"on\": true}", Arguments(0));
        Assert.Equal("{}", Arguments(1));
        // a script may be read at once; see AnswerParserTests
        Assert.True(calls.Count(call => call.GetProperty("index").GetInt32() == 0) >= 2, "the call and its arguments come in pieces");
        Assert.Equal(2, calls.Select(call => call.TryGetProperty("id", out JsonElement id) ? id.GetString()
            : null).OfType<string>().Distinct().Count());

        string Arguments(int index) =>
            string.Concat(calls.Where(call => call.GetProperty("index").GetInt32() == index)
                .Select(call => call.GetProperty("function").GetProperty("arguments").GetString()));
    }

    [Fact]
    public async Task Text_of_a_model_that_calls_nothing_is_text_and_none_reads_no_calls()
    {
        Script("Just <tool> text.");
        JsonElement answer = (await _server.AskAsync(Path, Request($"\"tools\":[{Light}]"))).GetProperty("choices")[0];
        Assert.Equal(("stop", "Just <tool> text."),
            (answer.GetProperty("finish_reason").GetString(), answer.GetProperty("message").GetProperty("content").GetString()));
        Script(Call);
        answer = (await _server.AskAsync(Path, Request($"\"tools\":[{Light}],\"tool_choice\":\"none\""))).GetProperty("choices")[0];
        Assert.Equal(Call, answer.GetProperty("message").GetProperty("content").GetString());
    }

    [Fact]
    public async Task A_loosened_schema_is_told_and_the_call_checked()
    {
        Script("<tool_call>\n{\"name\": \"light\", \"arguments\": {\"room\": \"hall\"}}\n</tool_call>");
        const string Tool =
            """{"type":"function","function":{"name":"light","parameters":{"type":"object","properties":{"room":{"type":"string","not":{"const":"hall"}}}}}}""";
        string[] warnings = [.. (await _server.AskAsync(Path, Request($"\"tools\":[{Tool}]"))).GetProperty("warnings").EnumerateArray()
            .Select(warning => warning.GetString()!)];
        Assert.Contains("tools[0].function.parameters: schema #/properties/room/not", warnings[0], StringComparison.Ordinal);
        Assert.Equal("the arguments of light do not satisfy its schema", warnings[1]);
    }

    [Fact]
    public async Task Ollama_s_chat_calls_tools_and_goes_on_with_their_results()
    {
        Script("Hm.\n" + Call);
        string request =
            $"{{\"model\":\"tiny\",\"messages\":[{{\"role\":\"user\",\"content\":\"Light!\"}}],\"tools\":[{Light}],\"stream\":STREAM}}";
        JsonElement message =
            (await _server.AskAsync("/api/chat", request.Replace("STREAM", "false", StringComparison.Ordinal))).GetProperty("message");
        Assert.Equal("Hm.", message.GetProperty("content").GetString());
        JsonElement function = Assert.Single(message.GetProperty("tool_calls").EnumerateArray()).GetProperty("function");
        Assert.Equal("light", function.GetProperty("name").GetString());
        Assert.True(function.GetProperty("arguments").GetProperty("on").GetBoolean());
        List<JsonElement> lines = await _server.StreamAsync("/api/chat", request.Replace("STREAM", "true", StringComparison.Ordinal));
        Assert.Single(lines, line => line.GetProperty("message").TryGetProperty("tool_calls", out _));
        Assert.Equal("stop", lines[^1].GetProperty("done_reason").GetString());
        _server.Server.Engine.Script = null;
        await _server.AskAsync("/api/chat", """
            {"model":"tiny","stream":false,"options":{"num_predict":4},"messages":[{"role":"user","content":"Light!"},
            {"role":"assistant","content":"","tool_calls":[{"function":{"name":"light","arguments":{"on":true}}}]},{"role":"tool","tool_name":"light","content":"done"}]}
            """);
    }

    [Fact]
    public async Task Anthropic_s_messages_call_tools_in_blocks_of_their_own()
    {
        Script("Let me see.\n" + Call);
        const string Request =
            """{"model":"tiny","max_tokens":200,"messages":[{"role":"user","content":"Light!"}],"tools":[{"name":"light","input_schema":{"type":"object","properties":{"on":{"type":"boolean"}}}}],"tool_choice":{"type":"auto"}}""";
        JsonElement message = await _server.AskAsync("/v1/messages", Request);
        Assert.Equal("tool_use", message.GetProperty("stop_reason").GetString());
        JsonElement[] content = [.. message.GetProperty("content").EnumerateArray()];
        Assert.Equal(["text", "tool_use"], content.Select(block => block.GetProperty("type").GetString()!));
        Assert.True(content[1].GetProperty("input").GetProperty("on").GetBoolean());
        using HttpResponseMessage response = await _server.PostAsync("/v1/messages", Request[..^1] + ",\"stream\":true}");
        string body = await response.Content.ReadAsStringAsync();
        JsonElement[] events = [.. body.Split('\n').Where(line => line.StartsWith("data: ", StringComparison.Ordinal))
            .Select(line => JsonDocument.Parse(line["data: ".Length..]).RootElement)];
        Assert.Equal("{\"on\": true}",
            string.Concat(events.Where(one => one.TryGetProperty("delta", out JsonElement delta)
                && delta.TryGetProperty("partial_json", out _))
                .Select(one => one.GetProperty("delta").GetProperty("partial_json").GetString())));
        Assert.Contains(events, one => one.GetProperty("type").GetString() == "ping");
        JsonElement count = await _server.AskAsync("/v1/messages/count_tokens", Request);
        Assert.True(count.GetProperty("input_tokens").GetInt32() > 60);
    }

    [Fact]
    public async Task Responses_have_calls_as_items_and_take_their_results()
    {
        Script(Call);
        const string Request =
            """{"model":"tiny","input":"Light!","tools":[{"type":"function","name":"light","parameters":{"type":"object","properties":{"on":{"type":"boolean"}}}}]}""";
        JsonElement response = await _server.AskAsync("/v1/responses", Request);
        JsonElement item = Assert.Single(response.GetProperty("output").EnumerateArray());
        Assert.Equal(("function_call", "light", "{\"on\": true}"),
            (item.GetProperty("type").GetString(), item.GetProperty("name").GetString(), item.GetProperty("arguments").GetString()));
        using HttpResponseMessage stream = await _server.PostAsync("/v1/responses", Request[..^1] + ",\"stream\":true}");
        string body = await stream.Content.ReadAsStringAsync();
        JsonElement[] events = [.. body.Split('\n').Where(line => line.StartsWith("data: {", StringComparison.Ordinal))
            .Select(line => JsonDocument.Parse(line["data: ".Length..]).RootElement)];
        Assert.Equal(Enumerable.Range(0, events.Length), events.Select(one => one.GetProperty("sequence_number").GetInt32()));
        Assert.Contains(events, one => one.GetProperty("type").GetString() == "response.function_call_arguments.done");
        Script("It is on.");
        JsonElement next = await _server.AskAsync("/v1/responses",
            $"{{\"model\":\"tiny\",\"previous_response_id\":\"{response.GetProperty("id").GetString()}\",\"input\":[{{\"type\":\"function_call_output\",\"call_id\":\"{item.GetProperty("call_id").GetString()}\",\"output\":\"done\"}}]}}");
        Assert.Equal("It is on.", next.GetProperty("output")[0].GetProperty("content")[0].GetProperty("text").GetString());
    }

    [Fact]
    public async Task Progress_of_a_prompt_is_told_where_it_is_asked_for()
    {
        string text = string.Concat(Enumerable.Repeat("the cat sat on the mat. ", 12));
        List<JsonElement> chunks =
            await _server.StreamAsync(Path,
                $"{{\"model\":\"tiny\",\"stream\":true,\"return_progress\":true,\"max_tokens\":4,\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}]}}");
        JsonElement[] progress = [.. chunks.Where(chunk => chunk.TryGetProperty("prompt_progress", out _))
            .Select(chunk => chunk.GetProperty("prompt_progress"))];
        Assert.NotEmpty(progress);
        JsonElement last = progress[^1];
        Assert.Equal(last.GetProperty("total").GetInt32(), last.GetProperty("processed").GetInt32());
        Assert.True(last.GetProperty("cache").GetInt32() >= 0 && last.GetProperty("time_ms").GetInt64() >= 0);
        Assert.DoesNotContain(await _server.StreamAsync(Path, Request("\"stream\":true,\"max_tokens\":2")),
            chunk => chunk.TryGetProperty("prompt_progress", out _));
    }

    private static string Request(string fields) =>
        $"{{\"model\":\"tiny\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hi\"}}],{fields}}}";

    private async Task<List<JsonElement>> DeltasAsync(string request) =>
        [.. (await _server.StreamAsync(Path, request[..^1] + ",\"stream\":true}")).SelectMany(chunk => chunk.GetProperty("choices")
            .EnumerateArray()).Select(choice => choice.GetProperty("delta")).Where(delta => delta.EnumerateObject().Any())];

    /// <summary>Lets the model say a text.</summary>
    private void Script(string text) => _server.Server.Engine.Script = _ => text;
}
