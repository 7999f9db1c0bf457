using System.Net;
using System.Text.Json;
using EdgeLlm.Server.Settings;
using EdgeLlm.Tests;

namespace EdgeLlm.Server.Tests.Admin;

public sealed class AdminTests : IDisposable
{
    private const string Secret = "Zebras sing quietly";

    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm").FullName;

    [Fact]
    public async Task Slots_and_status_tell_what_runs_and_no_text_of_it()
    {
        await using TestServer server = await TestServer.StartSlowAsync(new ServerOptions { Parallel = 2 });
        using (await server.BeginComputingAsync("/api/generate",
            $$$"""{"model":"tiny","prompt":"{{{Secret}}}","raw":true,"options":{"num_predict":300}}"""))
        {
            JsonElement slots = await server.GetAsync("/slots");
            Assert.Equal(2, slots.GetArrayLength());
            Assert.Equal((true, "127.0.0.1", 300),
                (slots[0].GetProperty("is_processing").GetBoolean(), slots[0].GetProperty("client").GetString(),
                    slots[0].GetProperty("max_tokens").GetInt32()));
            Assert.False(slots[1].GetProperty("is_processing").GetBoolean());
            Assert.DoesNotContain(Secret, slots.GetRawText(), StringComparison.Ordinal);
            JsonElement status = await server.GetAsync("/admin/status");
            Assert.Equal(("ready", 1, 2),
                (status.GetProperty("state").GetString(), status.GetProperty("requests").GetProperty("running").GetInt32(),
                    status.GetProperty("requests").GetProperty("parallel").GetInt32()));
            JsonElement own = status.GetProperty("models")[0];
            Assert.Equal(("tiny", true, true, 1),
                (own.GetProperty("name").GetString(), own.GetProperty("is_own").GetBoolean(), own.GetProperty("is_loaded").GetBoolean(),
                    own.GetProperty("answers").GetInt32()));
        }
        await server.AskAsync("/api/generate",
            $$$"""{"model":"tiny","prompt":"{{{Secret}}}","raw":true,"stream":false,"options":{"num_predict":3}}""");
        JsonElement sums = (await server.GetAsync("/admin/status")).GetProperty("throughput");
        Assert.True(sums.GetProperty("generated_tokens").GetInt32() >= 3);
        Assert.DoesNotContain(Secret, (await server.GetAsync("/admin/logs")).GetRawText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Logs_are_read_from_a_line_on()
    {
        await using TestServer server = await TestServer.StartAsync();
        JsonElement all = await server.GetAsync("/admin/logs");
        long last = all[all.GetArrayLength() - 1].GetProperty("number").GetInt64();
        Assert.Contains("mapped and computing", all.GetRawText(), StringComparison.Ordinal);
        Assert.Equal(0, (await server.GetAsync($"/admin/logs?after={last}")).GetArrayLength());
        using HttpResponseMessage refused = await server.Client.GetAsync("/admin/logs?after=x");
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
    }

    [Fact]
    public async Task Models_are_loaded_and_unloaded_and_the_cache_is_cleared()
    {
        string second = Path.Combine(_folder, "second.gguf");
        File.Copy(SharedFolder.Require("models", "stories260K.f32.gguf"), second);
        await using TestServer server =
            await TestServer.StartWithOthersAsync(
                new ServerOptions
                {
                    CacheMemory = 10_000_000,
                    CacheFolder = Path.Combine(_folder, "cache"),
                    CacheDisk = Generation.Prefixes.PrefixDisk.Conversations
                }, second);
        Assert.True((await server.AskAsync("/admin/models/load", """{"model":"second"}""")).GetProperty("is_loaded").GetBoolean());
        Assert.False((await server.AskAsync("/admin/models/unload", """{"model":"second"}""")).GetProperty("is_loaded").GetBoolean());
        Assert.Contains("not here",
            (await server.AskAsync("/admin/models/load", """{"model":"third"}""", HttpStatusCode.NotFound)).GetProperty("error")
                .GetString(), StringComparison.Ordinal);
        Assert.Contains("model is missing",
            (await server.AskAsync("/admin/models/load", "{}", HttpStatusCode.BadRequest)).GetProperty("error").GetString(),
            StringComparison.Ordinal);
        string prompt = string.Concat(Enumerable.Repeat("Once upon a time there was a boy. ", 8));
        await server.AskAsync("/api/generate",
            $$$"""{"model":"tiny","prompt":"{{{prompt}}}","raw":true,"stream":false,"options":{"num_predict":3}}""");
        Assert.True((await server.GetAsync("/admin/cache")).GetProperty("bytes").GetInt64() > 0);
        using HttpResponseMessage cleared = await server.Client.DeleteAsync("/admin/cache");
        Assert.Equal(0, JsonDocument.Parse(await cleared.Content.ReadAsStringAsync()).RootElement.GetProperty("bytes").GetInt64());
    }

    [Fact]
    public async Task Settings_are_shown_with_where_they_are_from_and_secrets_are_not()
    {
        string file = Path.Combine(_folder, "edgellm.json");
        await File.WriteAllTextAsync(file, "{\n \"queue\": 3,\n \"apiKey\": \"0123456789\"\n}");
        ServerOptions options = SettingsReader.Read(file, name => name == "EDGELLM_CONTEXT" ? "300" : null,
            new Dictionary<string, string> { ["listen"] = "127.0.0.1:0" });
        await using TestServer server = await TestServer.StartAsync(options);
        server.Client.DefaultRequestHeaders.Add("x-api-key", "0123456789");
        JsonElement settings = await server.GetAsync("/admin/settings");
        Dictionary<string, (string? Value, string? Source)> all = settings.EnumerateArray().ToDictionary(
            one => one.GetProperty("name").GetString()!,
            one => (one.TryGetProperty("value", out JsonElement value) ? value.GetString() : null, one.GetProperty("source").GetString()));
        Assert.Equal(("3", $"{file} line 2"), all["queue"]);
        Assert.Equal(("300", "EDGELLM_CONTEXT"), all["context"]);
        Assert.Equal(("127.0.0.1:0", "--listen"), all["listen"]);
        Assert.Equal((null, "default"), all["threads"]);
        Assert.Equal((null, $"{file} line 3"), all["apiKey"]);
        Assert.DoesNotContain("0123456789", settings.GetRawText(), StringComparison.Ordinal);
        JsonElement key = (await server.GetAsync("/admin/keys"))[0];
        Assert.Equal(("(apiKey)", "admin"), (key.GetProperty("name").GetString(), key.GetProperty("role").GetString()));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
