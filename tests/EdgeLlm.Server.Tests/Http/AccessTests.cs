using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Tests.Http;

public sealed class AccessTests
{
    [Fact]
    public async Task With_a_key_the_APIs_take_only_those_who_have_it()
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { ApiKey = "0123456789" });
        foreach (string open in new[] { "/", "/page.js", "/health/live", "/health/ready" })
            Assert.Equal(HttpStatusCode.OK, (await server.Client.GetAsync(open)).StatusCode);
        foreach (string path in new[] { "/v1/models", "/api/tags", "/v1/nothing", "/API/tags" })
        {
            using HttpResponseMessage refused = await server.Client.GetAsync(path);
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
            Assert.True(JsonDocument.Parse(await refused.Content.ReadAsStringAsync()).RootElement.TryGetProperty("error", out _));
        }
        server.Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "012345678");
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.Client.GetAsync("/api/tags")).StatusCode);
        server.Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("bearer", "0123456789");
        Assert.Equal(HttpStatusCode.OK, (await server.Client.GetAsync("/api/tags")).StatusCode);
    }

    [Theory]
    [InlineData("localhost:1", true)]
    [InlineData("192.168.1.7", true)]
    [InlineData("[fe80::1]:5", true)]
    [InlineData("pi.local", true)]
    [InlineData("llm.example.org", true)]
    [InlineData("LOCALHOST", true)]
    [InlineData("localhost.", true)]
    [InlineData("raspberrypi.local.", true)]
    [InlineData("LLM.example.org.", true)]
    [InlineData("evil.example.com", false)]
    [InlineData("local.evil.com", false)]
    public async Task Only_names_that_can_be_ours_are_answered(string host, bool allowed)
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { Hosts = ["llm.example.org"] });
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/tags");
        request.Headers.Host = host;
        using HttpResponseMessage response = await server.Client.SendAsync(request);
        Assert.Equal(allowed ? HttpStatusCode.OK : HttpStatusCode.Forbidden, response.StatusCode);
        if (!allowed)
            Assert.Contains($"GET /api/tags of 127.0.0.1 refused with 403: the host name '{host}'", server.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_a_key_any_name_will_do_and_a_wrong_key_is_in_the_log()
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { ApiKey = "0123456789" });
        foreach ((string key, HttpStatusCode expected) in new[] { ("0123456789", HttpStatusCode.OK),
            ("012345678x", HttpStatusCode.Unauthorized) })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/api/tags");
            request.Headers.Host = "ollama:11434";
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
            using HttpResponseMessage response = await server.Client.SendAsync(request);
            Assert.Equal(expected, response.StatusCode);
        }
        Assert.Contains("GET /api/tags of 127.0.0.1 refused with 401: this service takes an API key", server.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("012345678x", server.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://localhost:3000", true)]
    [InlineData("https://127.0.0.1:8443", true)]
    [InlineData("http://localhost", true)]
    [InlineData("app://obsidian.md", true)]
    [InlineData("tauri://localhost", true)]
    [InlineData("vscode-webview://0a1b", true)]
    [InlineData("file://", true)]
    [InlineData("http://panel.local:8080", true)]
    [InlineData("chrome-extension://abcdef", true)]
    [InlineData("http://localhost.evil.com", false)]
    [InlineData("http://panel.local", false)]
    [InlineData("https://evil.com", false)]
    [InlineData("application://x", false)]
    public async Task Ollamas_usual_origins_and_those_that_are_set_pass_the_preflight(string origin, bool allowed)
    {
        await using TestServer server =
            await TestServer.StartAsync(new ServerOptions { Origins = ["http://panel.local:8080/", "chrome-extension://*"] });
        using var preflight = new HttpRequestMessage(HttpMethod.Options, "/api/chat");
        preflight.Headers.Add("Origin", origin);
        preflight.Headers.Add("Access-Control-Request-Method", "POST");
        using HttpResponseMessage answer = await server.Client.SendAsync(preflight);
        Assert.Equal(allowed ? HttpStatusCode.NoContent : HttpStatusCode.Forbidden, answer.StatusCode);
        if (allowed) Assert.Equal(origin, answer.Headers.GetValues("Access-Control-Allow-Origin").Single());
        else Assert.Contains($"web pages of {origin} may not", server.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pi.local", "https://pi.local", true)]
    [InlineData("pi.local:443", "https://pi.local", true)]
    [InlineData("PI.local.", "https://pi.local", true)]
    [InlineData("pi.local:8443", "https://pi.local:8443", true)]
    [InlineData("pi.local:8443", "https://pi.local", false)]
    [InlineData("pi.local", "https://other.local", false)]
    [InlineData("pi.local", "gopher://pi.local", false)]
    public async Task The_own_page_may_call_though_a_proxy_before_the_service_speaks_TLS(string host, string origin, bool allowed)
    {
        await using TestServer server = await TestServer.StartAsync();
        foreach (HttpMethod method in new[] { HttpMethod.Get, HttpMethod.Options })
        {
            using var request = new HttpRequestMessage(method, "/api/version");
            request.Headers.Host = host;
            request.Headers.Add("Origin", origin);
            using HttpResponseMessage response = await server.Client.SendAsync(request);
            Assert.Equal(allowed, response.IsSuccessStatusCode);
        }
    }

    [Fact]
    public async Task Web_pages_of_others_may_not_call_unless_they_are_allowed()
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { Origins = ["http://panel.local"] });
        string own = server.Server.Address.ToString().TrimEnd('/');
        foreach ((string origin, bool allowed) in new[] { ("http://panel.local", true), (own, true), ("http://evil.example", false),
            ("null", false), ("http://panel.local.evil", false) })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/api/tags");
            request.Headers.Add("Origin", origin);
            using HttpResponseMessage response = await server.Client.SendAsync(request);
            Assert.Equal(allowed ? HttpStatusCode.OK : HttpStatusCode.Forbidden, response.StatusCode);
            if (allowed) Assert.Equal(origin, response.Headers.GetValues("Access-Control-Allow-Origin").Single());
        }
        using var preflight = new HttpRequestMessage(HttpMethod.Options, "/v1/chat/completions");
        preflight.Headers.Add("Origin", "http://panel.local");
        preflight.Headers.Add("Access-Control-Request-Method", "POST");
        preflight.Headers.Add("Access-Control-Request-Headers", "authorization,content-type");
        using HttpResponseMessage answer = await server.Client.SendAsync(preflight);
        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        Assert.Equal("authorization,content-type", answer.Headers.GetValues("Access-Control-Allow-Headers").Single());
    }

    [Fact]
    public async Task A_request_that_is_too_large_is_refused()
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { BodyLimit = 2048 });
        string large = $$"""{"model":"tiny","messages":[{"role":"user","content":"{{new string('a', 4000)}}"}]}""";
        JsonElement error = await server.AskAsync("/v1/chat/completions", large, HttpStatusCode.RequestEntityTooLarge);
        Assert.Contains("bodyLimit", error.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
        using var chunked = new HttpRequestMessage(HttpMethod.Post, "/api/chat") { Content = new StringContent(large) };
        chunked.Headers.TransferEncodingChunked = true;
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await server.Client.SendAsync(chunked)).StatusCode);
    }

    [Fact]
    public async Task What_is_not_there_is_said_in_the_shape_of_the_API()
    {
        await using TestServer server = await TestServer.StartAsync();
        Assert.Equal(JsonValueKind.Object,
            (await server.AskAsync("/v1/images/generations", "{}", HttpStatusCode.NotFound)).GetProperty("error").ValueKind);
        Assert.Equal(JsonValueKind.String,
            (await server.AskAsync("/api/push", "{}", HttpStatusCode.NotFound)).GetProperty("error").ValueKind);
        JsonElement noBase = (await server.AskAsync("/chat/completions", "{}", HttpStatusCode.NotFound)).GetProperty("error");
        Assert.Contains("ends with /v1", noBase.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Equal(JsonValueKind.String,
            (await server.AskAsync("/api/tags", "{}", HttpStatusCode.MethodNotAllowed)).GetProperty("error").ValueKind);
    }

    [Fact]
    public async Task The_page_needs_nothing_from_elsewhere()
    {
        await using TestServer server = await TestServer.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.Accept.ParseAdd("text/html,*/*;q=0.8");
        using HttpResponseMessage page = await server.Client.SendAsync(request);
        Assert.Equal("text/html", page.Content.Headers.ContentType!.MediaType);
        string policy = page.Headers.GetValues("Content-Security-Policy").Single();
        Assert.StartsWith("default-src 'none'", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.Contains("require-trusted-types-for 'script'", policy, StringComparison.Ordinal);
        string[] names = ["page.css", "page.js", "service.js", "markdown.js", "texts.js", "conversations.js", "view.js", "kiosk.js",
            "worker.js", "admin", "admin.css", "admin.js", "plots.js"];
        string[] files =
            [await page.Content.ReadAsStringAsync(), .. await Task.WhenAll(names.Select(name => server.Client.GetStringAsync("/" + name)))];
        foreach (string text in files)
        {
            string file = text.Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal); // a name, which nobody fetches
            foreach (string way in new[] { "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "srcdoc", "eval(",
                "createContextualFragment" })
                Assert.DoesNotContain(way, file, StringComparison.Ordinal); // text never becomes HTML
            Assert.DoesNotContain("//fonts", file, StringComparison.Ordinal);
            Assert.DoesNotContain("http:", file, StringComparison.Ordinal);
            Assert.DoesNotContain("https:", file, StringComparison.Ordinal);
            Assert.DoesNotContain("style=", file, StringComparison.Ordinal);
            Assert.DoesNotMatch("<script(?! src=)|<style| on[a-z]+=\"", file); // no script in the HTML itself
        }
        Assert.Equal("EdgeLlm is running", await server.Client.GetStringAsync("/"));
    }
}
