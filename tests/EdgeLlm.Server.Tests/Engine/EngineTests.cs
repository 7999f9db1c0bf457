using System.Net;
using System.Text.Json;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Server.Settings;
using EdgeLlm.Tests;

namespace EdgeLlm.Server.Tests.Engine;

public sealed class EngineTests
{
    private const string Long =
        """{"model":"tiny","options":{"temperature":0},"messages":[{"role":"user","content":"Tell me a very long story about a dragon, a knight and a princess."}]}""";

    [Fact]
    public async Task Requests_at_once_get_what_each_gets_alone()
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { Queue = 64 });
        string[] requests = [.. Enumerable.Range(0, 12)
            .Select(
                i =>
                    $$$"""{"model":"tiny","seed":{{{i}}},"max_tokens":{{{10 + i}}},"messages":[{"role":"user","content":"Once upon a time {{{i % 5}}}"}]}""")];
        var alone = new List<string>();
        foreach (string request in requests) alone.Add(TextOf(await server.AskAsync("/v1/chat/completions", request)));
        string[] together =
            await Task.WhenAll(requests.Select(async request => TextOf(await server.AskAsync("/v1/chat/completions", request))));
        Assert.Equal(alone, together);
        Assert.True(alone.Distinct().Count() > 6);
    }

    [Fact]
    public async Task The_next_turn_of_a_conversation_computes_only_what_is_new_though_another_came_between()
    {
        await using TestServer server = await TestServer.StartAsync();
        await AskAsync("""[{"role":"user","content":"Tom had a red ball."}]""");
        await AskAsync("""[{"role":"user","content":"The cat sat on a big green mat."}]""");
        JsonElement usage =
            (await AskAsync(
                """[{"role":"user","content":"Tom had a red ball."},{"role":"assistant","content":"Yes."},{"role":"user","content":"And then?"}]""")).GetProperty(
                    "usage");
        int known = usage.GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32();
        Assert.InRange(known, 10, usage.GetProperty("prompt_tokens").GetInt32() - 5);

        Task<JsonElement> AskAsync(string messages) =>
            server.AskAsync("/v1/chat/completions", $$"""{"model":"tiny","max_tokens":4,"temperature":0,"messages":{{messages}}}""");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(64_000_000)]
    public async Task A_system_prompt_is_computed_once_for_all_conversations_and_survives_a_restart(long memory)
    {
        string folder = Directory.CreateTempSubdirectory("edgellm-cache").FullName;
        try
        {
            var options = new ServerOptions
            {
                CacheMemory = memory,
                CacheFolder = Path.Combine(folder, "cache"),
                IdentityFolder = Path.Combine(folder, "identities"),
                Conversations = 1,
            };
            const string First = "Tom had a red ball.", Second = "The cat sat on a mat.";
            (string Text, int Known, int Tokens) first, second;
            await using (TestServer server = await TestServer.StartAsync(options))
            {
                first = await AskAsync(server, First);
                second = await AskAsync(server, Second);
                Assert.Equal(0, first.Known);
                if (memory > 0) Assert.InRange(second.Known, 60, second.Tokens - 5);
            }
            await using TestServer again = await TestServer.StartAsync(options);
            (string Text, int Known, int Tokens) after = await AskAsync(again, Second);
            Assert.Equal((second.Text, second.Tokens), (after.Text, after.Tokens));
            Assert.InRange(after.Known, memory > 0 ? second.Known - 2 : 0, second.Known); // both questions may begin with the same tokens
            Assert.Equal(memory > 0, Directory.Exists(options.CacheFolder));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        static async Task<(string, int, int)> AskAsync(TestServer server, string question)
        {
            JsonElement answer = await server.AskAsync("/v1/chat/completions", $$$"""
                {"model":"tiny","max_tokens":8,"temperature":0,"messages":[{"role":"system","content":"You tell short stories of animals who live in a big green forest, with words that a small child knows."},
                {"role":"user","content":"{{{question}}}"}]}
                """);
            JsonElement usage = answer.GetProperty("usage");
            return (TextOf(answer), usage.GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32(),
                usage.GetProperty("prompt_tokens").GetInt32());
        }
    }

    /// <summary>The embedding of Q is damaged; the head, otherwise the same tensor, is not.</summary>
    [Fact]
    public async Task A_result_that_is_not_a_number_fails_its_request_alone()
    {
        string path = Path.Combine(Path.GetTempPath(), $"edgellm-{Guid.NewGuid():N}.gguf");
        try
        {
            using (GgufFile source = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf")))
            {
                GgufTensor embedding = source.FindTensor("token_embd.weight")!;
                byte[] weights = File.ReadAllBytes(source.Path).AsSpan((int)embedding.Offset, (int)embedding.ByteCount).ToArray();
                byte[] damaged = [.. weights];
                int q;
                using (LanguageModel model = LanguageModel.Load(source.Path)) q = model.Tokenizer.Encode("Q")[^1];
                BitConverter.TryWriteBytes(damaged.AsSpan(q * 64 * sizeof(float)), float.NaN);
                GgufWriter writer = GgufWriter.CopyOf(source);
                writer.SetTensor("token_embd.weight", [.. embedding.Shape], embedding.Type, output => output.Write(damaged));
                writer.SetTensor("output.weight", [.. embedding.Shape], embedding.Type, output => output.Write(weights));
                writer.Save(path);
            }
            await using TestServer server = await TestServer.StartWithAsync(path);
            JsonElement before = await AskAsync("Tom had a red ball.", HttpStatusCode.OK);
            JsonElement error = await AskAsync("Q", HttpStatusCode.InternalServerError);
            Assert.Contains("not a number", error.GetProperty("error").GetString());
            Assert.Equal(TextOf(before), TextOf(await AskAsync("Tom had a red ball.", HttpStatusCode.OK)));

            Task<JsonElement> AskAsync(string text, HttpStatusCode expected) =>
                server.AskAsync("/api/chat",
                    $$"""{"model":"tiny","stream":false,"options":{"num_predict":4,"temperature":0},"messages":[{"role":"user","content":"{{text}}"}]}""",
                    expected);

            static string TextOf(JsonElement answer) => answer.GetProperty("message").GetProperty("content").GetString()!;
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task Banning_every_token_fails_its_request_alone()
    {
        await using TestServer server = await TestServer.StartAsync();
        string bans = string.Join(',', Enumerable.Range(0, 512).Select(id => $"\"{id}\":-100"));
        using (HttpResponseMessage refused = await server.PostAsync("/v1/chat/completions",
            $$$"""{"model":"tiny","max_tokens":2,"logit_bias":{{{{bans}}}},"messages":[{"role":"user","content":"Hi"}]}"""))
            Assert.True(refused.StatusCode is HttpStatusCode.OK or HttpStatusCode.BadRequest, await refused.Content.ReadAsStringAsync());
        await server.AskAsync("/v1/chat/completions", """{"model":"tiny","max_tokens":2,"messages":[{"role":"user","content":"Hi"}]}""");
    }

    [Fact]
    public async Task A_client_that_goes_away_frees_the_engine()
    {
        await using TestServer server = await TestServer.StartSlowAsync();
        using (var gone = new CancellationTokenSource())
        {
            using HttpResponseMessage response = await server.BeginAsync("/api/chat", Long, gone.Token);
            await response.Content.ReadAsStream().ReadExactlyAsync(new byte[64]);
            await gone.CancelAsync();
        }
        // The story would have had hundreds of tokens, each of 30 layers.
        JsonElement answer = await server.AskAsync("/api/chat",
            """{"model":"tiny","stream":false,"options":{"num_predict":1},"messages":[{"role":"user","content":"Hi"}]}""");
        Assert.Equal(1, answer.GetProperty("eval_count").GetInt32());
        Assert.InRange(server.Server.Engine.Progress, 30, 30 * 200);
    }

    [Fact]
    public async Task One_that_gives_up_waiting_leaves_its_place_to_another()
    {
        await using TestServer server = await TestServer.StartSlowAsync(new ServerOptions { Queue = 1, Parallel = 1 });
        using HttpResponseMessage running = await server.BeginComputingAsync("/api/chat", Long);
        using (var gone = new CancellationTokenSource(TimeSpan.FromMilliseconds(200)))
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => server.PostAsync("/api/chat", Long, gone.Token));
        }
        while (server.Server.Engine.Waiting > 0) await Task.Delay(5);
        using var wait = new CancellationTokenSource(TimeSpan.FromMilliseconds(300)); // waiting, not refused
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => server.PostAsync("/api/chat", Long, wait.Token));
    }

    [Fact]
    public async Task A_full_queue_is_said_with_the_time_to_try_again()
    {
        await using TestServer server = await TestServer.StartSlowAsync(new ServerOptions { Queue = 1, Parallel = 1, StopSeconds = 0 });
        using HttpResponseMessage running = await server.BeginComputingAsync("/api/chat", Long);
        Task<HttpResponseMessage> waiting = server.BeginAsync("/api/chat", Long);
        while (server.Server.Engine.Waiting < 1) await Task.Delay(5);
        HttpResponseMessage refused = await server.PostAsync("/api/chat", Long);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        refused = await server.PostAsync("/v1/chat/completions", """{"model":"tiny","messages":[{"role":"user","content":"Hi"}]}""");
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        Assert.NotNull(refused.Headers.RetryAfter);
        refused.Dispose();
        await server.Server.StopAsync();
        Assert.Contains("\"error\":\"the service is being stopped\"", await (await waiting).Content.ReadAsStringAsync(),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stop_lets_the_running_answer_end_and_refuses_new_ones()
    {
        await using TestServer server = await TestServer.StartSlowAsync(new ServerOptions { StopSeconds = 60 });
        using HttpResponseMessage response = await server.BeginComputingAsync("/api/chat",
            Long.Replace("\"temperature\":0", "\"temperature\":0,\"num_predict\":60", StringComparison.Ordinal));
        Task stop = server.Server.StopAsync();
        using HttpResponseMessage refused = await server.PostAsync("/api/chat", Long);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.NotNull(refused.Headers.RetryAfter);
        string body = await response.Content.ReadAsStringAsync();
        await stop;
        JsonElement last = JsonDocument.Parse(body.TrimEnd().Split('\n')[^1]).RootElement;
        Assert.True(last.GetProperty("done").GetBoolean());
        Assert.Equal(60, last.GetProperty("eval_count").GetInt32());
    }

    [Fact]
    public async Task What_still_runs_after_the_limit_is_cut_off_with_an_error()
    {
        await using TestServer server = await TestServer.StartSlowAsync(new ServerOptions { StopSeconds = 0 });
        using HttpResponseMessage response = await server.BeginComputingAsync("/api/chat", Long);
        await server.Server.StopAsync();
        string body = await response.Content.ReadAsStringAsync();
        Assert.Contains("stopped", JsonDocument.Parse(body.TrimEnd().Split('\n')[^1]).RootElement.GetProperty("error").GetString(),
            StringComparison.Ordinal);
        Assert.Contains("cut off", server.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_in_use_is_said_with_what_to_do()
    {
        await using TestServer first = await TestServer.StartAsync();
        var listen = new ListenAddress(IPAddress.Loopback, first.Server.Address.Port);
        using var log = new StringWriter();
        var served = new ServedModel(TestServer.Name, first.ModelPath, "llama", 260_000, "F32", 1, DateTime.UnixEpoch);
        await using var second =
            new ModelServer(new ServerOptions { Listen = listen }, new ServedModels(served), new ServerLog(log, forJournal: false));
        var exception = await Assert.ThrowsAsync<IOException>(() => second.StartAsync());
        Assert.Contains($"{listen} is in use", exception.Message, StringComparison.Ordinal);
        Assert.Empty(log.ToString()); // the error is one line
    }

    private static string TextOf(JsonElement completion) =>
        completion.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
}
