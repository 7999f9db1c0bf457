using System.Net;
using System.Text.Json;
using EdgeLlm.Kernels;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Server.Settings;
using EdgeLlm.Tests;

namespace EdgeLlm.Server.Tests.Http;

/// <summary>Adapters and control vectors over the APIs, on a model of 260,000 weights.</summary>
public sealed class RequestAdaptersTests : IDisposable
{
    private const string Chat = "/v1/chat/completions";

    private readonly string _vector = Path.Combine(Path.GetTempPath(), $"edgellm-vector-{Guid.NewGuid():N}.gguf");

    private readonly string _one = Path.Combine(Path.GetTempPath(), $"edgellm-one-{Guid.NewGuid():N}.gguf");
    private readonly string _two = Path.Combine(Path.GetTempPath(), $"edgellm-two-{Guid.NewGuid():N}.gguf");

    public RequestAdaptersTests()
    {
        float[] direction = [.. Enumerable.Range(0, 64).Select(i => (float)Math.Sin(3 * i))];
        string model = SharedFolder.Require("models", "stories260K.f32.gguf");
        File.WriteAllBytes(_one, TinyAdapter.Make(model, 1));
        File.WriteAllBytes(_two, TinyAdapter.Make(model, 2));
        new ControlVector("test", [null, direction, direction]).Save(_vector, "llama");
    }

    public void Dispose()
    {
        foreach (string file in new[] { _vector, _one, _two }) File.Delete(file);
    }

    [Fact]
    public async Task A_request_has_the_control_vectors_that_it_names_and_a_made_model_its_own()
    {
        await using TestServer server = await StartAsync();
        string plain = await AskAsync(server, "tiny", ""),
            steered = await AskAsync(server, "tiny", """, "control_vectors": [{"name": "sine", "scale": 3}]""");
        Assert.NotEqual(plain, steered);
        Assert.Equal(steered, await AskAsync(server, "wavy", ""));
        Assert.Equal(plain, await AskAsync(server, "wavy", """, "control_vectors": []"""));
        Assert.Equal(plain, await AskAsync(server, "tiny", ""));
        // where it has no direction
        Assert.Equal(plain, await AskAsync(server, "tiny", """, "control_vectors": [{"name": "sine", "scale": 3, "layers": "4-4"}]"""));
        string[] names = [.. (await server.GetAsync("/v1/models")).GetProperty("data").EnumerateArray()
            .Select(model => model.GetProperty("id").GetString()!)];
        Assert.Equal(["tiny", "second", "wavy"], names);
        JsonElement ollama = await server.AskAsync("/api/generate",
            """{"model": "wavy", "prompt": "Once", "raw": true, "stream": false, "options": {"temperature": 0, "num_predict": 12}}""");
        JsonElement plainOllama = await server.AskAsync("/api/generate",
            """{"model": "tiny", "prompt": "Once", "raw": true, "stream": false, "options": {"temperature": 0, "num_predict": 12}}""");
        Assert.NotEqual(plainOllama.GetProperty("response").GetString(), ollama.GetProperty("response").GetString());
    }

    [Fact]
    public async Task Answers_with_and_without_run_together_and_keep_their_bytes()
    {
        await using TestServer server = await StartAsync();
        string[] changes =
            ["", """, "control_vectors": [{"name": "sine", "scale": 3}]""", """, "control_vectors": [{"name": "sine", "scale": -2}]""", ""];
        string[] alone = [await AskAsync(server, "tiny", changes[0]), await AskAsync(server, "tiny", changes[1]),
            await AskAsync(server, "tiny", changes[2]), await AskAsync(server, "tiny", changes[3])];
        for (int round = 0; round < 3; round++)
            Assert.Equal(alone, await Task.WhenAll(changes.Select(change => AskAsync(server, "tiny", change))));
    }

    [Fact]
    public async Task Adapters_on_off_scaled_and_switched_between_requests_in_flight_give_the_bytes_of_each_alone()
    {
        await using TestServer server = await StartAsync();
        string[] changes =
        [
            """, "lora": [{"name": "one"}]""", "", """, "lora": [{"name": "two"}]""", """, "lora": [{"name": "one", "scale": 0.5}]""",
            """, "lora": [{"name": "one"}, {"id": 1, "scale": -0.75}]""", """, "lora": []""",
            """, "lora": [{"name": "two"}, {"name": "one"}], "control_vectors": [{"name": "sine", "scale": 3}]""",
        ];
        string[] alone = new string[changes.Length];
        for (int i = 0; i < changes.Length; i++) alone[i] = await AskAsync(server, "tiny", changes[i]);
        Assert.Equal(alone[1], alone[5]);
        Assert.Equal(changes.Length - 1, alone.Distinct().Count());
        Assert.Equal(alone[2], await AskAsync(server, "second", "")); // a model of the settings
        for (int round = 0; round < 6; round++) // batches of four, each with other neighbours
        {
            int[] order = [.. Enumerable.Range(0, 4).Select(i => (i * (round % 2 + 1) + round) % changes.Length)];
            Assert.Equal(order.Select(i => alone[i]), await Task.WhenAll(order.Select(i => AskAsync(server, "tiny", changes[i]))));
        }
        Task<string> long1 = AskAsync(server, "tiny", changes[0]),
            off = AskAsync(server, "tiny", changes[1]); // both in flight when the next are begun, with others
        string[] switched = await Task.WhenAll(AskAsync(server, "tiny", changes[3]), AskAsync(server, "second", ""), long1, off);
        Assert.Equal([alone[3], alone[2], alone[0], alone[1]], switched);
        JsonElement listed = await server.GetAsync("/lora-adapters");
        Assert.Equal(["one", "two"], listed.EnumerateArray().Select(adapter => adapter.GetProperty("name").GetString()!));
    }

    [Fact]
    public async Task A_made_model_takes_its_adapters_chat_template_where_that_is_asked_for()
    {
        string folder = Directory.CreateTempSubdirectory("edgellm-adapter").FullName;
        try
        {
            string model = SharedFolder.Require("golden", "logits/llama/model.gguf"),
                adapter = SharedFolder.Require("golden", "adapters/qv-r4");
            foreach (string file in new[] { "adapter_config.json", "adapter_model.safetensors" })
                File.Copy(Path.Combine(adapter, file), Path.Combine(folder, file));
            File.WriteAllText(Path.Combine(folder, "chat_template.jinja"),
                "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}");
            AdapterEntry[] adapters = [new AdapterEntry("own", folder, 1)];
            await using TestServer server = await TestServer.StartWithAsync(model, new ServerOptions
            {
                Listen = ListenAddress.Parse("127.0.0.1:0"),
                ChatTemplate = "{% for m in messages %}{{ m.content }}{% endfor %}",
                Context = 128,
                Entries = [new ModelEntry { Name = "plain", Base = "tiny", Adapters = adapters },
                    new ModelEntry { Name = "own", Base = "tiny", Adapters = adapters, Template = "adapter" }],
            });
            server.Server.Engine.Script = request => $"{request.Prompt.Count}";
            int plain = int.Parse(await AskAsync(server, "plain", ""), null), own = int.Parse(await AskAsync(server, "own", ""), null);
            Assert.True(own > plain, $"{own} tokens, {plain} with the model's template");
            Assert.Contains("another chat template", server.Log, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData(""", "lora": [{"name": "none"}]""", "lora[0].name is 'none'"),
        InlineData(""", "lora": [{"id": 2}]""", "lora[0].id is 2; this model has 2 adapters"),
        InlineData(""", "lora": {"id": 0}""", "lora has to be a list of objects"),
     InlineData(""", "lora": [{"path": "/etc/passwd"}]""", "lora[0] has to have the name"),
     InlineData(""", "control_vectors": [{"name": "sine", "scale": 17}]""", "control_vectors[0].scale has to be a number from -16 to 16"),
     InlineData(""", "control_vectors": [{"name": "sine", "scale": 1e999}]""", "control_vectors[0].scale has to be"),
     InlineData(""", "control_vectors": [{"name": "sine", "layers": "9-1"}]""", "control_vectors[0].layers has to be two layers"),
     InlineData(
         """, "control_vectors": [{"name":"sine"},{"name":"sine"},{"name":"sine"},{"name":"sine"},{"name":"sine"},{"name":"sine"},{"name":"sine"},{"name":"sine"},{"name":"sine"}]""",
         "has 9 entries; at most 8"),
     InlineData(""", "control_vectors": [{"name": "/etc/passwd"}]""", "which this model has no control vector of; it has sine")]
    public async Task What_is_not_offered_or_out_of_range_is_refused(string fields, string problem)
    {
        await using TestServer server = await StartAsync();
        JsonElement error = await server.AskAsync(Chat, Request("tiny", fields), HttpStatusCode.BadRequest);
        Assert.Contains(problem, error.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Entries_of_the_settings_are_read_with_their_adapters()
    {
        (List<string> models, List<ModelEntry> entries) = ModelEntry.ReadList("""
            ["a.gguf", {"model": "llama", "adapters": [{"path": "/srv/pirate"}]}, {"name": "captain", "base": "llama", "adapters": [{"name": "pirate", "scale": 0.5}], "controlVectors": [{"name": "v", "path": "v.gguf", "layers": "2-3"}]}]
            """);
        Assert.Equal(["a.gguf", "llama"], models);
        Assert.Equal(("pirate", "/srv/pirate", 1f),
            (entries[0].Adapters[0].Name, entries[0].Adapters[0].Path, entries[0].Adapters[0].Scale));
        Assert.Equal(("captain", "llama", 0.5f), (entries[1].Name, entries[1].Base, entries[1].Adapters[0].Scale));
        Assert.Equal((2, 3), (entries[1].ControlVectors[0].FirstLayer, entries[1].ControlVectors[0].LastLayer));
        foreach (string wrong in new[] { "[{}]", """[{"base": "x"}]""", """[{"model": "a", "base": "b", "name": "c"}]""",
            """[{"model": "a", "adapter": []}]""", """[{"model": "a", "adapters": [{"name": "x", "scale": 99}]}]""",
            "[1]", "[{\"model\": 1}]" })
            Assert.Throws<FormatException>(() => ModelEntry.ReadList(wrong));
    }

    private async Task<TestServer> StartAsync() => await TestServer.StartAsync(new ServerOptions
    {
        CacheType = KeyValueType.F32,
        Listen = ListenAddress.Parse("127.0.0.1:0"),
        Entries =
        [
            new ModelEntry { Model = SharedFolder.Require("models", "stories260K.f32.gguf"),
                ControlVectors = [new AdapterEntry("sine", _vector, 1)],
                Adapters = [new AdapterEntry("one", _one, 1), new AdapterEntry("two", _two, 1)] },
            new ModelEntry { Name = "second", Base = "tiny", Adapters = [new AdapterEntry("two", null, 1)] },
            new ModelEntry { Name = "wavy", Base = "tiny", ControlVectors = [new AdapterEntry("sine", null, 3)] },
        ],
    });

    private static async Task<string> AskAsync(TestServer server, string model, string fields) =>
        (await server.AskAsync(Chat, Request(model, fields))).GetProperty("choices")[0].GetProperty("message")
            .GetProperty("content").GetString()!;

    private static string Request(string model, string fields) =>
        $$"""{"model": "{{model}}", "messages": [{"role": "user", "content": "Once upon a time"}], "temperature": 0, "max_tokens": 16{{fields}}}""";
}
