using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using EdgeLlm.Chat;
using EdgeLlm.Server.Library;
using EdgeLlm.Server.Settings;
using EdgeLlm.Tests;

namespace EdgeLlm.Server.Tests;

/// <summary>A service in this process on a free port, and a client of it.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    public const string Name = "tiny";

    private readonly StringWriter _log = new();
    private readonly string _model;

    private TestServer(ServerOptions options, string model, ModelLibrary? library, params IEnumerable<string> others)
    {
        _model = model;
        var served = new ServedModel(Name, model, "llama", 260_000, "F32", new FileInfo(model).Length, File.GetLastWriteTimeUtc(model));
        var models = new ServedModels(served,
            () => others.Concat(library is null ? [] : Directory.GetFiles(library.Folder, "*.gguf")).Select(path =>
                (Path.GetFileNameWithoutExtension(path), path)), (path, name) =>
            served with
            {
                Name = name,
                Path = path,
                Size = new FileInfo(path).Length,
                ContextLength = 512,
                ChatTemplate = "other"
            })
        { Library = library };
        Server = new ModelServer(options, models, new ServerLog(TextWriter.Synchronized(_log), forJournal: false));
    }

    public ModelServer Server { get; }

    public HttpClient Client { get; private set; } = null!;

    public string Log => _log.ToString();

    /// <summary>Waits for what the service logs after an answer's last byte.</summary>
    public async Task AssertLogsAsync(string text)
    {
        for (int i = 0; i < 6000 && !Log.Contains(text, StringComparison.Ordinal); i++) await Task.Delay(10);
        Assert.Contains(text, Log, StringComparison.Ordinal);
    }

    /// <summary>With a model of 260,000 weights, whose context has 512 tokens.</summary>
    public static Task<TestServer> StartAsync(ServerOptions? options = null) =>
        StartAsync(options, SharedFolder.Require("models", "stories260K.f32.gguf"));

    /// <summary>With a model that takes ten milliseconds a token: its answers last.</summary>
    public static Task<TestServer> StartSlowAsync(ServerOptions? options = null) =>
        StartAsync(options, SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf"));

    public static Task<TestServer> StartWithAsync(string model, ServerOptions? options = null) => StartAsync(options, model);

    public Task<HttpResponseMessage> PostAsync(string path, string json, CancellationToken cancellation = default) =>
        Client.PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"), cancellation);

    /// <summary>Posts, and gives the answer when its head has come.</summary>
    public Task<HttpResponseMessage> BeginAsync(string path, string json, CancellationToken cancellation = default) =>
        Client.SendAsync(new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(json) },
            HttpCompletionOption.ResponseHeadersRead, cancellation);

    /// <summary>
    /// Posts, and gives the answer when the engine computes it: a stream's head comes before its turn, and a stop sends those that wait
    /// away.
    /// </summary>
    public async Task<HttpResponseMessage> BeginComputingAsync(string path, string json)
    {
        HttpResponseMessage response = await BeginAsync(path, json);
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (!Server.Engine.IsComputing) await Task.Delay(1, limit.Token);
        return response;
    }

    public async Task<JsonElement> AskAsync(string path, string json, HttpStatusCode expected = HttpStatusCode.OK)
    {
        using HttpResponseMessage response = await PostAsync(path, json);
        string body = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == expected, $"{(int)response.StatusCode}: {body}");
        return JsonDocument.Parse(body).RootElement;
    }

    public async Task<JsonElement> GetAsync(string path) => JsonDocument.Parse(await Client.GetStringAsync(path)).RootElement;

    /// <summary>A stream's values: of lines, or of server-sent events without the last, `[DONE]`, which has to be there.</summary>
    public async Task<List<JsonElement>> StreamAsync(string path, string json)
    {
        using HttpResponseMessage response = await PostAsync(path, json);
        response.EnsureSuccessStatusCode();
        string body = await response.Content.ReadAsStringAsync();
        bool events = response.Content.Headers.ContentType!.MediaType == "text/event-stream";
        string separator = events ? "\n\n" : "\n";
        Assert.EndsWith(separator, body, StringComparison.Ordinal);
        List<string> values = [.. body[..^separator.Length].Split(separator)];
        if (events)
        {
            values.RemoveAll(value => value.StartsWith(':')); // comments
            Assert.All(values, value => Assert.StartsWith("data: ", value, StringComparison.Ordinal));
            Assert.Equal("data: [DONE]", values[^1]);
            values = [.. values[..^1].Select(value => value["data: ".Length..])];
        }
        return [.. values.Select(value => JsonDocument.Parse(value).RootElement)];
    }

    /// <summary>The events of a stream, by name.</summary>
    public async Task<List<(string Name, JsonElement Data)>> EventsAsync(string path, string json)
    {
        using HttpResponseMessage response = await PostAsync(path, json);
        string body = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, body);
        return [.. body.Split("\n\n").Where(one => one.StartsWith("event: ", StringComparison.Ordinal)).Select(one =>
        {
            string[] lines = one.Split('\n');
            return (lines[0]["event: ".Length..], JsonDocument.Parse(lines[1]["data: ".Length..]).RootElement);
        })];
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Server.StopAsync();
        await Server.DisposeAsync();
    }

    /// <summary>With other models beside its own, which are loaded when they are asked for.</summary>
    public static Task<TestServer> StartWithOthersAsync(ServerOptions? options, params string[] others) =>
        StartAsync(options, SharedFolder.Require("models", "stories260K.f32.gguf"), others: others);

    /// <summary>With a folder of models that clients make.</summary>
    public static Task<TestServer> StartWithLibraryAsync(ModelLibrary library) =>
        StartAsync(null, SharedFolder.Require("models", "stories260K.f32.gguf"), library: library);

    /// <summary>One that listens and whose model is still being loaded: until <see cref="Load"/>.</summary>
    public static Task<TestServer> StartLoadingAsync() =>
        StartAsync(null, SharedFolder.Require("models", "stories260K.f32.gguf"), load: false);

    public string ModelPath => _model;

    public void Load() => Server.Engine.Load();

    /// <summary>Waits until the model's file was read for its hash.</summary>
    public async Task WaitForDigestAsync()
    {
        while (Server.Engine.DigestOf(Server.Engine.Models.Own) is null) await Task.Delay(5);
    }

    /// <summary>Sends bytes as they are, and gives all that comes until the service closes the connection.</summary>
    public async Task<string> SendRawAsync(byte[] request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, Server.Address.Port);
        await client.GetStream().WriteAsync(request);
        using var reader = new StreamReader(client.GetStream(), Encoding.Latin1);
        return await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromMinutes(1));
    }

    /// <summary>With a model that has no chat template.</summary>
    public static Task<TestServer> StartWithoutTemplateAsync() =>
        StartAsync(null, SharedFolder.Require("models", "stories260K.f32.gguf"), hasTemplate: false);

    private static async Task<TestServer> StartAsync(ServerOptions? options, string model, bool load = true, bool hasTemplate = true,
        ModelLibrary? library = null, params string[] others)
    {
        options = (options ?? new ServerOptions()) with { Threads = 2, StopSeconds = options?.StopSeconds ?? 5 };
        if (hasTemplate)
            options =
                options with { ChatTemplate = options.ChatTemplate ?? NamedTemplates.Find("chatml") }; // the models have none of their own
        if (options.Listen == ListenAddress.Default) options = options with { Listen = new ListenAddress(IPAddress.Loopback, 0) };
        var server = new TestServer(options, model, library, others);
        if (load) await server.Server.StartAsync();
        else await server.Server.ListenAsync();
        // A client that leaves a stream closes the connection; this one would else read on for two seconds.
        var handler = new SocketsHttpHandler { ResponseDrainTimeout = TimeSpan.Zero };
        server.Client = new HttpClient(handler) { BaseAddress = server.Server.Address, Timeout = TimeSpan.FromMinutes(3) };
        return server;
    }
}
