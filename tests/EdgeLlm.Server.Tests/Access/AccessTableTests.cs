using System.Net;
using System.Text;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Settings;
using EdgeLlm.Tests;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.Tests.Access;

/// <summary>Who may call what: every route of the service with every kind of key. A route without a row here fails the test.</summary>
public sealed class AccessTableTests : IDisposable
{
    // Least role. Open: no key. Here: no key for programs of this machine.
    private const string Open = "open", Here = "here", Use = "use", HereOrDevice = "here or device", Admin = "admin";

    /// <summary>Whether a row's route names a model in its body, or lists models.</summary>
    private const string Model = "model", Lists = "lists";

    private static readonly Dictionary<string, (string Least, string? Of)> Table = new()
    {
        ["GET /"] = (Open, null),
        ["GET /page.css"] = (Open, null),
        ["GET /page.js"] = (Open, null),
        ["GET /service.js"] = (Open, null),
        ["GET /markdown.js"] = (Open, null),
        ["GET /favicon.svg"] = (Open, null),
        ["GET /assistant"] = (Open, null),
        ["GET /assistant.css"] = (Open, null),
        ["GET /assistant.js"] = (Open, null),
        ["GET /recorder.js"] = (Open, null),
        ["GET /assistant/events"] = (HereOrDevice, null),
        ["POST /assistant/talk"] = (HereOrDevice, null),
        ["POST /assistant/cancel"] = (HereOrDevice, null),
        ["GET /texts.js"] = (Open, null),
        ["GET /conversations.js"] = (Open, null),
        ["GET /view.js"] = (Open, null),
        ["GET /kiosk.js"] = (Open, null),
        ["GET /worker.js"] = (Open, null),
        ["GET /page.json"] = (Open, null),
        ["GET /manifest.webmanifest"] = (Open, null),
        ["GET /admin"] = (Open, null),
        ["GET /admin.css"] = (Open, null),
        ["GET /admin.js"] = (Open, null),
        ["GET /plots.js"] = (Open, null),
        ["GET /health/live"] = (Open, null),
        ["GET /health/ready"] = (Open, null),
        ["POST /v1/chat/completions"] = (Use, Model),
        ["POST /v1/completions"] = (Use, Model),
        ["POST /v1/embeddings"] = (Use, Model),
        ["POST /v1/rerank"] = (Use, null),
        ["POST /v2/rerank"] = (Use, null),
        ["POST /v1/reranking"] = (Use, null),
        ["POST /rerank"] = (Use, null),
        ["POST /reranking"] = (Use, null),
        ["POST /v1/responses"] = (Use, Model),
        ["GET /v1/responses/{id}"] = (Use, null),
        ["DELETE /v1/responses/{id}"] = (Use, null),
        ["POST /v1/messages"] = (Use, Model),
        ["POST /v1/messages/count_tokens"] = (Use, Model),
        ["GET /health"] = (Open, null),
        ["GET /v1/health"] = (Open, null),
        ["GET /props"] = (Use, null),
        ["POST /tokenize"] = (Use, Model),
        ["POST /detokenize"] = (Use, Model),
        ["POST /apply-template"] = (Use, Model),
        ["POST /completion"] = (Use, Model),
        ["POST /completions"] = (Use, Model),
        ["POST /infill"] = (Use, null),
        ["GET /api/v0/models"] = (Use, null),
        ["GET /api/v0/models/{**id}"] = (Use, null),
        ["POST /api/pull"] = (Admin, null),
        ["POST /api/create"] = (Admin, null),
        ["POST /api/copy"] = (Admin, null),
        ["DELETE /api/delete"] = (Admin, null),
        ["POST /api/blobs/{digest}"] = (Admin, null),
        ["HEAD /api/blobs/{digest}"] = (Admin, null),
        ["POST /api/embed"] = (Use, Model),
        ["POST /api/embeddings"] = (Use, Model),
        ["GET /v1/models"] = (Use, Lists),
        ["GET /v1/models/{**id}"] = (Use, null),
        ["POST /v1/audio/speech"] = (Use, null),
        ["POST /v1/audio/transcriptions"] = (Use, null),
        ["POST /v1/audio/translations"] = (Use, null),
        ["GET /lora-adapters"] = (Use, null),
        ["POST /api/chat"] = (Use, Model),
        ["POST /api/generate"] = (Use, Model),
        ["POST /api/show"] = (Use, Model),
        ["GET /api/tags"] = (Use, Lists),
        ["GET /api/ps"] = (Use, Lists),
        ["GET /api/version"] = (Use, null),
        ["GET /metrics"] = (Here, null),
        ["POST /mcp/"] = (Use, null),
        ["GET /slots"] = (Admin, null),
        ["GET /admin/status"] = (Admin, null),
        ["GET /admin/logs"] = (Admin, null),
        ["GET /admin/settings"] = (Admin, null),
        ["GET /admin/keys"] = (Admin, null),
        ["GET /admin/cache"] = (Admin, null),
        ["DELETE /admin/cache"] = (Admin, null),
        ["POST /admin/models/load"] = (Admin, null),
        ["POST /admin/models/unload"] = (Admin, null),
    };

    private const string Body = """
        {"model":"tiny","messages":[{"role":"user","content":"Hi"}],"prompt":"Hi","input":"Hi","content":"Hi","tokens":[1],"max_tokens":1,"stream":false,"options":{"num_predict":1}}
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm").FullName;
    private readonly Dictionary<string, string> _keys = [];

    [Fact]
    public async Task Each_route_takes_the_keys_that_its_row_says()
    {
        await using TestServer server = await StartAsync();
        var routes = new List<(string Row, string Method, string Path)>();
        foreach (RouteEndpoint endpoint in server.Server.Routes)
        {
            string pattern = endpoint.RoutePattern.RawText!;
            IReadOnlyList<string> methods = endpoint.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods;
            foreach (string method in methods.Where(method => method != "HEAD" || methods.Count == 1)) // beside GET it is as GET
                routes.Add(($"{method} {pattern}", method,
                    pattern.Replace("{**id}", "tiny", StringComparison.Ordinal).Replace("{id}", "1", StringComparison.Ordinal)));
        }
        Assert.Equal(Table.Keys.Order(StringComparer.Ordinal), routes.Select(route => route.Row).Order(StringComparer.Ordinal));
        foreach ((string row, string method, string path) in routes)
        {
            (string least, string? of) = Table[row];
            bool isOpen = least is Open or Here or HereOrDevice;
            Assert.Equal((row, isOpen ? null : 401), (row, Refusal(await SendAsync(server, method, path, null))));
            Assert.Equal((row, isOpen ? null : 401), (row, Refusal(await SendAsync(server, method, path, "wrong"))));
            if (least is Here or HereOrDevice)
                Assert.Equal((row, 401), (row, Refusal(await SendAsync(server, method, path, null, "X-Forwarded-For"))));
            if (least is HereOrDevice)
            {
                Assert.Equal((row, 403), (row, Refusal(await SendAsync(server, method, path, "use", "X-Forwarded-For"))));
                Assert.Equal((row, null), (row, Refusal(await SendAsync(server, method, path, "device", "X-Forwarded-For"))));
            }
            Assert.Equal((row, least is Admin ? 403 : null), (row, Refusal(await SendAsync(server, method, path, "use"))));
            Assert.Equal((row, least is Admin ? 403 : null), (row, Refusal(await SendAsync(server, method, path, "device"))));
            Assert.Equal((row, null), (row, Refusal(await SendAsync(server, method, path, "admin"))));
            bool isCounted = !isOpen && least != Admin && method is not ("GET" or "HEAD");
            Assert.Equal((row, isCounted ? 429 : least is Admin ? 403 : null),
                (row, Refusal(await SendAsync(server, method, path, "worn"))));
            HttpResponseMessage own = await SendAsync(server, method, path, "use"),
                foreign = await SendAsync(server, method, path, "foreign");
            if (of == Model) Assert.Equal((row, 200, 404), (row, (int)own.StatusCode, (int)foreign.StatusCode));
            if (of == Lists) Assert.Equal((row, true, false), (row, await HasTinyAsync(own), await HasTinyAsync(foreign)));
        }
    }

    /// <summary>The only route that settings add: what a device needs before it can trust the service, and nothing else.</summary>
    [Fact]
    public async Task With_an_authority_of_its_own_the_service_has_one_open_route_more()
    {
        var options = new ServerOptions { TlsSelf = true, TlsFolder = Path.Combine(_folder, "tls") };
        await using TestServer server = await TestServer.StartAsync(options);
        RouteEndpoint more = Assert.Single(server.Server.Routes,
            route => !Table.Keys.Any(row => row[(row.IndexOf(' ', StringComparison.Ordinal) + 1)..] == route.RoutePattern.RawText));
        Assert.Equal("/ca.pem", more.RoutePattern.RawText);
        Assert.Null(more.Metadata.GetMetadata<RouteAccess>()!.Least);
        Assert.Contains("`GET /ca.pem`", File.ReadAllText(Path.Combine(SharedFolder.RepositoryRoot, "docs", "api.md")),
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_document_of_the_API_has_each_route()
    {
        string document = File.ReadAllText(Path.Combine(SharedFolder.RepositoryRoot, "docs", "api.md"));
        string[] files = [".js", ".css", ".svg", ".json", ".webmanifest"];
        Assert.All(Table.Keys.Where(row => !files.Contains(Path.GetExtension(row))),
            row => Assert.Contains($"`{row}`", document, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_worn_out_key_is_told_when_to_come_again()
    {
        await using TestServer server = await StartAsync();
        using HttpResponseMessage refused = await SendAsync(server, "POST", "/v1/chat/completions", "worn");
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1));
        Assert.Contains("10 tokens a day are used up", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using HttpResponseMessage again = await SendAsync(server, "POST", "/api/generate", "slow");
        using HttpResponseMessage tooSoon = await SendAsync(server, "POST", "/api/generate", "slow");
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.TooManyRequests), (again.StatusCode, tooSoon.StatusCode));
        Assert.InRange(tooSoon.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task A_key_is_sent_in_either_header_and_changes_hold_without_a_restart()
    {
        await using TestServer server = await StartAsync();
        foreach (string header in new[] { "x-api-key", "Authorization" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/api/tags");
            request.Headers.TryAddWithoutValidation(header, header[0] == 'x' ? _keys["use"] : "Bearer " + _keys["use"]);
            using HttpResponseMessage response = await server.Client.SendAsync(request);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }
        KeyFile.Change(Path.Combine(_folder, "keys.json"), keys => [.. keys.Where(key => key.Name != "use")]);
        Assert.Equal(401, Refusal(await SendAsync(server, "GET", "/api/tags", "use")));
        File.WriteAllText(Path.Combine(_folder, "keys.json"), "{ oops");
        Assert.Null(Refusal(await SendAsync(server, "GET", "/api/tags", "admin"))); // those before stay in force
        Assert.Equal(401, Refusal(await SendAsync(server, "GET", "/api/tags", null)));
        Assert.Contains("the keys stay as they were", server.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_others_use_only_an_administrator_unloads()
    {
        string second = Path.Combine(_folder, "second.gguf");
        File.Copy(EdgeLlm.Tests.SharedFolder.Require("models", "stories260K.f32.gguf"), second);
        await using TestServer server = await StartAsync(second);
        const string Load = """{"model":"second"}""", Unload = """{"model":"second","keep_alive":0}""";
        Assert.Null(Refusal(await SendAsync(server, "POST", "/api/generate", "use", body: Load)));
        Assert.Null(Refusal(await SendAsync(server, "POST", "/api/generate", "device", body: Load)));
        Assert.Equal(403, Refusal(await SendAsync(server, "POST", "/api/generate", "use", body: Unload)));
        Assert.Null(Refusal(await SendAsync(server, "POST", "/api/generate", "admin", body: Unload)));
        Assert.Null(Refusal(await SendAsync(server, "POST", "/api/generate", "use", body: Load)));
        Assert.Null(Refusal(await SendAsync(server, "POST", "/api/generate", "use", body: Unload))); // nobody else uses it now
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>The status where the key was not taken, 429 where it is worn out; null where the route itself answered.</summary>
    private static int? Refusal(HttpResponseMessage response) =>
        (int)response.StatusCode is 401 or 403 or 429 ? (int)response.StatusCode : null;

    private static async Task<bool> HasTinyAsync(HttpResponseMessage response)
    {
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return (await response.Content.ReadAsStringAsync()).Contains("tiny", StringComparison.Ordinal);
    }

    private async Task<HttpResponseMessage> SendAsync(TestServer server, string method, string path, string? key,
        string? header = null, string body = Body)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (method != "GET") request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        if (key is not null) request.Headers.Authorization = new("Bearer", _keys.GetValueOrDefault(key, key));
        if (header is not null) request.Headers.Add(header, "10.0.0.1");
        return await server.Client.SendAsync(request);
    }

    private async Task<TestServer> StartAsync(params string[] others)
    {
        string file = Path.Combine(_folder, "keys.json");
        (ApiKey Key, string Text)[] made =
        [
            ApiKey.Create("use", KeyRole.Use), ApiKey.Create("device", KeyRole.Device), ApiKey.Create("admin", KeyRole.Admin),
            Limited("foreign", key => key with { Models = ["elsewhere"] }),
            Limited("worn", key => key with { TokensPerDay = 10 }), Limited("slow", key => key with { RequestsPerMinute = 1 }),
        ];
        foreach ((ApiKey key, string text) in made) _keys[key.Name] = text;
        KeyFile.Change(file, _ => [.. made.Select(one => one.Key)]);
        var options = new ServerOptions { KeysFile = file, StateDirectory = _folder };
        File.WriteAllText(Path.Combine(_folder, "key-usage"), $"{DateTime.UtcNow:yyyy-MM-dd}\tworn\t10\n");
        return await TestServer.StartWithOthersAsync(options, others);

        static (ApiKey, string) Limited(string name, Func<ApiKey, ApiKey> limit)
        {
            (ApiKey key, string text) = ApiKey.Create(name, KeyRole.Use);
            return (limit(key), text);
        }
    }
}
