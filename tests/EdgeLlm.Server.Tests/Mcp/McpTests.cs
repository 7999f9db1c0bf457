using System.Net;
using System.Text;
using System.Text.Json;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Mcp;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Tests.Mcp;

public sealed class McpTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm").FullName;

    [Fact]
    public async Task Tools_are_listed_and_ask_answers_as_the_APIs_do()
    {
        await using TestServer server = await TestServer.StartAsync();
        JsonElement hello = await CallAsync(server, "initialize",
            """{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}""");
        Assert.Equal("edgellm", hello.GetProperty("serverInfo").GetProperty("name").GetString());
        JsonElement tools = (await CallAsync(server, "tools/list", "{}")).GetProperty("tools");
        Assert.Equal(["ask", "embed", "rerank"], tools.EnumerateArray().Select(tool => tool.GetProperty("name").GetString()!).Order());
        Assert.All(tools.EnumerateArray(), tool => Assert.Equal("object", tool.GetProperty("inputSchema").GetProperty("type").GetString()));
        (bool failed, string text) = await RunAsync(server, "ask", """{"prompt":"Once","system":"Tell","max_tokens":8,"temperature":0}""");
        JsonElement same = await server.AskAsync("/v1/chat/completions",
            """{"model":"tiny","messages":[{"role":"system","content":"Tell"},{"role":"user","content":"Once"}],"max_tokens":8,"temperature":0}""");
        Assert.Equal((false, same.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()), (failed, text));
    }

    [Fact]
    public async Task Texts_become_vectors_and_are_ordered()
    {
        string bert = Path.Combine(_folder, "bert.gguf");
        File.Copy(EdgeLlm.Tests.SharedFolder.Require("golden", "logits", "bert", "model.gguf"), bert);
        string ranker = Path.Combine(_folder, "ranker.gguf");
        File.Copy(EdgeLlm.Tests.SharedFolder.Require("golden", "logits", "bert-classifier", "model.gguf"), ranker);
        await using TestServer server = await TestServer.StartWithOthersAsync(null, bert, ranker);
        JsonElement vectors =
            JsonDocument.Parse((await RunAsync(server, "embed", """{"texts":["One","Two"],"model":"bert"}""")).Text).RootElement;
        Assert.Equal(2, vectors.GetArrayLength());
        Assert.True(vectors[0].GetArrayLength() > 16);
        JsonElement order = JsonDocument.Parse(
            (await RunAsync(server, "rerank", """{"query":"cats","texts":["a dog","a cat"],"model":"ranker"}""")).Text).RootElement;
        Assert.Equal([0, 1], order.EnumerateArray().Select(one => one.GetProperty("index").GetInt32()).Order());
        Assert.True(order[0].GetProperty("score").GetDouble() >= order[1].GetProperty("score").GetDouble());
    }

    [Fact]
    public async Task A_recording_becomes_text_where_the_service_has_a_model_that_hears()
    {
        string model = EdgeLlm.Tests.SharedFolder.Require("models", "whisper-tiny.en");
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { SpeechModel = model, AudioSeconds = 6 });
        string recording = Convert.ToBase64String(
            await File.ReadAllBytesAsync(EdgeLlm.Tests.SharedFolder.Require("golden", "whisper", "two_cities_5s.wav")));
        Assert.Equal((false, "It was the season of light, it was the season of darkness."),
            await RunAsync(server, "transcribe", $$"""{"audio":"{{recording}}"}"""));
        foreach ((string arguments, string problem) in new[]
        {
            ("{}", "audio must be"), ("""{"audio":"%"}""", "audio is not base64"), ("""{"audio":"AAAA"}""", "WAV and FLAC"),
            ($$"""{"audio":"{{recording}}","language":"klingon"}""", "language"),
            ($$"""{"audio":"{{recording}}","tempo":1}""", "tempo is not an argument"),
            ("""{"audio":"","prompt":7}""", "prompt must be a text"),
        })
        {
            (bool failed, string text) = await RunAsync(server, "transcribe", arguments);
            Assert.True(failed);
            Assert.Contains(problem, text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("ask", "{}", "prompt is missing")]
    [InlineData("ask", """{"prompt":7}""", "prompt must be a text")]
    [InlineData("ask", """{"prompt":"Hi","max_tokens":0}""", "max_tokens must be a number from 1")]
    [InlineData("ask", """{"prompt":"Hi","seed":-1}""", "seed must be a number from 0")]
    [InlineData("ask", """{"prompt":"Hi","model":"other"}""", "the model 'other' is not here")]
    [InlineData("ask", """{"prompt":"Hi","temprature":1}""", "temprature is not an argument")]
    [InlineData("rerank", """{"query":"q","texts":["a"]}""", "does not order texts")]
    [InlineData("embed", """{"texts":[]}""", "texts must be a list of 1 to 256")]
    [InlineData("embed", """{"texts":["a",1]}""", "texts[1] must be a text")]
    [InlineData("rerank", """{"texts":["a"]}""", "query is missing")]
    public async Task What_is_wrong_with_arguments_is_the_tools_answer(string tool, string arguments, string problem)
    {
        await using TestServer server = await TestServer.StartAsync();
        (bool failed, string text) = await RunAsync(server, tool, arguments);
        Assert.True(failed);
        Assert.Contains(problem, text, StringComparison.Ordinal);
        Assert.DoesNotContain("error:", server.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Others_add_tools_and_a_key_reaches_only_its_models()
    {
        string file = Path.Combine(_folder, "keys.json");
        (ApiKey key, string text) = ApiKey.Create("foreign", KeyRole.Use);
        KeyFile.Change(file, _ => [key with { Models = ["elsewhere"] }]);
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { KeysFile = file });
        server.Server.AddTool(new ServiceTool("shout", "Shouts.", """{"type":"object"}""",
            (arguments, _) => Task.FromResult(arguments["text"].GetString()!.ToUpperInvariant())));
        Assert.Throws<ArgumentException>(() => server.Server.AddTool(new ServiceTool("ask", "", "{}", (_, _) => Task.FromResult(""))));
        server.Client.DefaultRequestHeaders.Add("x-api-key", text);
        Assert.Equal((false, "HI"), await RunAsync(server, "shout", """{"text":"hi"}"""));
        Assert.Contains("not here", (await RunAsync(server, "ask", """{"prompt":"Hi","model":"tiny"}""")).Text, StringComparison.Ordinal);
        Assert.Contains("not here", (await RunAsync(server, "ask", """{"prompt":"Hi"}""")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_no_call_is_refused_and_nothing_falls_over()
    {
        await using TestServer server = await TestServer.StartAsync();
        foreach (string body in new[] { "", "{", "[]", "null", "{\"jsonrpc\":\"2.0\"}", "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":7}",
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":[]}", "\"\\ud83d\"" })
        {
            using HttpResponseMessage response = await PostAsync(server, body);
            Assert.True((int)response.StatusCode < 500, $"{body}: {(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}");
        }
        using (HttpResponseMessage unknown =
            await PostAsync(server, """{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"nothing","arguments":{} } }"""))
            Assert.Contains("Unknown tool", await unknown.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.DoesNotContain("error:", server.Log, StringComparison.Ordinal); // a client's slip is not the service's
        Assert.False((await RunAsync(server, "ask", """{"prompt":"One","max_tokens":2}""")).Failed);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static async Task<HttpResponseMessage> PostAsync(TestServer server, string body)
    {
        using var request =
            new HttpRequestMessage(HttpMethod.Post, "/mcp") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Accept.ParseAdd("application/json, text/event-stream");
        return await server.Client.SendAsync(request);
    }

    private static async Task<JsonElement> CallAsync(TestServer server, string method, string parameters)
    {
        using HttpResponseMessage response =
            await PostAsync(server, $$"""{"jsonrpc":"2.0","id":1,"method":"{{method}}","params":{{parameters}} }""");
        string body = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, body);
        string data = body.Split('\n').Single(line => line.StartsWith("data: ", StringComparison.Ordinal))["data: ".Length..];
        return JsonDocument.Parse(data).RootElement.GetProperty("result");
    }

    private static async Task<(bool Failed, string Text)> RunAsync(TestServer server, string tool, string arguments)
    {
        JsonElement result = await CallAsync(server, "tools/call", $$"""{"name":"{{tool}}","arguments":{{arguments}} }""");
        return (result.TryGetProperty("isError", out JsonElement failed) && failed.GetBoolean(),
            result.GetProperty("content")[0].GetProperty("text").GetString()!);
    }
}
