using System.Net;
using System.Text.Json;
using EdgeLlm.Server.Settings;
using EdgeLlm.Tests;

namespace EdgeLlm.Server.Tests.Engine;

/// <summary>Models beside the service's own one: listed, loaded when asked for, let go.</summary>
public sealed class SeveralModelsTests : IDisposable
{
    private const string Tiny =
        """{"model":"tiny","stream":false,"options":{"num_predict":4,"temperature":0},"prompt":"Tom had a red ball","raw":true}""";

    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm").FullName;

    [Fact]
    public async Task All_are_listed_and_each_is_loaded_when_it_is_asked_for()
    {
        await using TestServer server = await TestServer.StartWithOthersAsync(null, Copy("second"), Copy("third"));
        Assert.Equal(["tiny:latest", "second:latest", "third:latest"], Names(await server.GetAsync("/api/tags"), "models", "name"));
        Assert.Equal(["tiny", "second", "third"], Names(await server.GetAsync("/v1/models"), "data", "id"));
        Assert.Equal("second", (await server.GetAsync("/v1/models/second")).GetProperty("id").GetString());
        Assert.Equal(["tiny:latest"], Names(await server.GetAsync("/api/ps"), "models", "name"));
        string own = (await server.AskAsync("/api/generate", Tiny)).GetProperty("response").GetString()!;
        JsonElement answer = await server.AskAsync("/api/generate", Tiny.Replace("tiny", "second", StringComparison.Ordinal));
        Assert.Equal(("second", own), (answer.GetProperty("model").GetString(), answer.GetProperty("response").GetString()));
        Assert.Equal(["second:latest", "tiny:latest"], Names(await server.GetAsync("/api/ps"), "models", "name").Order());
        JsonElement refused = await server.AskAsync("/v1/chat/completions",
            """{"model":"fourth","messages":[{"role":"user","content":"Hi"}]}""", HttpStatusCode.NotFound);
        Assert.Contains("this service has 'tiny', 'second', 'third'", refused.GetProperty("error").GetProperty("message").GetString());
    }

    [Fact]
    public async Task Keep_alive_says_how_long_one_stays_and_an_empty_request_loads_and_unloads()
    {
        await using TestServer server =
            await TestServer.StartWithOthersAsync(new ServerOptions { KeepAlive = TimeSpan.FromMinutes(7) }, Copy("second"));
        Assert.Equal("load",
            (await server.AskAsync("/api/generate", """{"model":"second","stream":false}""")).GetProperty("done_reason").GetString());
        Assert.InRange(await ExpiryAsync(), DateTimeOffset.UtcNow.AddMinutes(6), DateTimeOffset.UtcNow.AddMinutes(8));
        await server.AskAsync("/api/generate", """{"model":"second","stream":false,"keep_alive":"2h"}""");
        Assert.InRange(await ExpiryAsync(), DateTimeOffset.UtcNow.AddMinutes(118), DateTimeOffset.UtcNow.AddMinutes(121));
        await server.AskAsync("/api/generate", """{"model":"second","stream":false,"keep_alive":-1}""");
        Assert.True(await ExpiryAsync() > DateTimeOffset.UtcNow.AddYears(100));
        Assert.Equal("unload",
            (await server.AskAsync("/api/generate", """{"model":"second","stream":false,"keep_alive":0}""")).GetProperty("done_reason")
                .GetString());
        Assert.Equal(["tiny:latest"], Names(await server.GetAsync("/api/ps"), "models", "name"));
        // unloaded after its answer
        await server.AskAsync("/api/generate", Tiny.Replace("\"tiny\"", "\"second\",\"keep_alive\":\"0s\"", StringComparison.Ordinal));
        await server.AssertLogsAsync("second.gguf: closed, as asked for");
        Assert.Contains("keep_alive has to be a duration",
            (await server.AskAsync("/api/generate", """{"model":"second","keep_alive":"soon"}""", HttpStatusCode.BadRequest)).GetProperty(
                "error").GetString());
        // The service's own model stays, unless it is asked to go by itself.
        await server.AskAsync("/api/generate", Tiny.Replace("\"tiny\"", "\"tiny\",\"keep_alive\":1", StringComparison.Ordinal));
        Assert.True(DateTimeOffset.Parse((await server.GetAsync("/api/ps")).GetProperty("models")[0].GetProperty("expires_at")
            .GetString()!) > DateTimeOffset.UtcNow.AddYears(100));

        async Task<DateTimeOffset> ExpiryAsync()
        {
            JsonElement models = (await server.GetAsync("/api/ps")).GetProperty("models");
            return DateTimeOffset.Parse(models.EnumerateArray().Single(model => model.GetProperty("name").GetString() == "second:latest")
                .GetProperty("expires_at").GetString()!);
        }
    }

    [Fact]
    public async Task One_that_can_not_be_opened_gives_its_own_error_and_the_others_go_on()
    {
        string damaged = Path.Combine(_folder, "damaged.gguf");
        File.WriteAllText(damaged, "GGUF and nothing more");
        await using TestServer server = await TestServer.StartWithOthersAsync(null, damaged);
        JsonElement error = await server.AskAsync("/api/generate", Tiny.Replace("tiny", "damaged", StringComparison.Ordinal),
            HttpStatusCode.InternalServerError);
        Assert.StartsWith("the model 'damaged' can't be opened: ", error.GetProperty("error").GetString());
        await server.AskAsync("/api/generate", Tiny);
    }

    [Fact]
    public async Task Show_tells_of_one_that_is_not_loaded_without_loading_it()
    {
        await using TestServer server = await TestServer.StartWithOthersAsync(null, Copy("second"));
        JsonElement shown = await server.AskAsync("/api/show", """{"model":"second"}""");
        Assert.Equal(("other", "num_ctx 512"), (shown.GetProperty("template").GetString(), shown.GetProperty("parameters").GetString()));
        Assert.Equal(["tiny:latest"], Names(await server.GetAsync("/api/ps"), "models", "name"));
    }

    [Fact]
    public async Task Answers_of_several_models_at_once_are_those_of_each_alone()
    {
        await using TestServer server =
            await TestServer.StartWithOthersAsync(new ServerOptions { Queue = 64 }, Copy("second"), Copy("third"));
        string[] requests = [.. Enumerable.Range(0, 18).Select(i =>
            $$$"""{"model":"{{{new[] { "tiny", "second", "third" }[i % 3]}}}","raw":true,"stream":false,"options":{"num_predict":{{{5 + i}}},"seed":{{{i}}}},"prompt":"Once upon a time {{{i % 4}}}"}""")];
        var alone = new List<string>();
        foreach (string request in requests)
            alone.Add((await server.AskAsync("/api/generate", request)).GetProperty("response").GetString()!);
        string[] together = await Task.WhenAll(
            requests.Select(async request => (await server.AskAsync("/api/generate", request)).GetProperty("response").GetString()!));
        Assert.Equal(alone, together);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Copy(string name)
    {
        string path = Path.Combine(_folder, name + ".gguf");
        File.Copy(SharedFolder.Require("models", "stories260K.f32.gguf"), path);
        return path;
    }

    private static string[] Names(JsonElement answer, string list, string field) =>
        [.. answer.GetProperty(list).EnumerateArray().Select(item => item.GetProperty(field).GetString()!)];
}
