using System.Net;
using System.Net.Sockets;
using System.Text;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Tests.Http;

/// <summary>The assistant's routes, against a double of its socket.</summary>
public sealed class AssistantEndpointTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"edgellm-{Guid.NewGuid():N}"[..20]);
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    public AssistantEndpointTests()
    {
        _socket.Bind(new UnixDomainSocketEndPoint(_path));
        _socket.Listen();
    }

    public void Dispose()
    {
        _socket.Dispose();
        File.Delete(_path);
    }

    [Fact]
    public async Task What_is_said_goes_to_the_assistant_and_its_answer_comes_back()
    {
        await using TestServer server = await StartAsync();
        Task<string> asked = AnswerAsync("{\"heard\":\"hi\",\"answer\":\"Hello.\",\"asks\":false,\"cancelled\":false}");
        using HttpResponseMessage response = await server.PostAsync("/assistant/talk", "{\"text\":\"hi\"}");
        Assert.Equal("{\"heard\":\"hi\",\"answer\":\"Hello.\",\"asks\":false,\"cancelled\":false}",
            await response.Content.ReadAsStringAsync());
        Assert.Equal("{\"do\":\"talk\",\"source\":\"api\",\"silent\":false,\"text\":\"hi\"}", await asked);

        asked = AnswerAsync("{\"done\":true}");
        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("/assistant/cancel", "")).StatusCode);
        Assert.Equal("{\"do\":\"cancel\"}", await asked);

        asked = AnswerAsync("{\"error\":\"no model that hears\"}", soundBytes: 6);
        using HttpResponseMessage sound = await server.Client.PostAsync("/assistant/talk?silent=true", Bytes("abcdef", "audio/pcm"));
        Assert.Equal(HttpStatusCode.BadRequest, sound.StatusCode);
        Assert.Contains("no model that hears", await sound.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal("{\"do\":\"talk\",\"source\":\"api\",\"silent\":true,\"bytes\":6}abcdef", await asked);
    }

    [Fact]
    public async Task Only_the_services_own_page_has_the_rights_of_the_page()
    {
        await using TestServer server = await StartAsync();
        string own = server.Client.BaseAddress!.GetLeftPart(UriPartial.Authority);
        Assert.Equal("page", await SourceAsync(own, "same-origin"));
        Assert.Equal("api", await SourceAsync(own, "cross-site"));
        Assert.Equal("api", await SourceAsync(null, "same-origin"));
        Assert.Equal("api", await SourceAsync("http://localhost:9", "same-origin"));

        async Task<string> SourceAsync(string? origin, string site)
        {
            Task<string> asked = AnswerAsync("{\"answer\":\"\"}");
            using var request =
                new HttpRequestMessage(HttpMethod.Post, "/assistant/talk") { Content = Bytes("{\"text\":\"hi\"}", "application/json") };
            if (origin is not null) request.Headers.Add("Origin", origin);
            request.Headers.Add("Sec-Fetch-Site", site);
            using HttpResponseMessage response = await server.Client.SendAsync(request);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            return (await asked).Contains("\"page\"", StringComparison.Ordinal) ? "page" : "api";
        }
    }

    [Fact]
    public async Task Other_pages_and_names_that_were_made_to_point_here_are_refused()
    {
        await using TestServer server = await StartAsync();
        foreach (bool hasKeys in (bool[])[false, true])
        {
            await using TestServer one = await StartAsync(hasKeys);
            using var foreign =
                new HttpRequestMessage(HttpMethod.Post, "/assistant/talk") { Content = Bytes("{\"text\":\"hi\"}", "application/json") };
            foreign.Headers.Add("Origin", "https://evil.example");
            Assert.Equal(HttpStatusCode.Forbidden, (await one.Client.SendAsync(foreign)).StatusCode);
            using var rebound =
                new HttpRequestMessage(HttpMethod.Post, "/assistant/talk") { Content = Bytes("{\"text\":\"hi\"}", "application/json") };
            rebound.Headers.Host = "evil.example";
            rebound.Headers.Add("Origin", "http://evil.example");
            Assert.Equal(HttpStatusCode.Forbidden, (await one.Client.SendAsync(rebound)).StatusCode);
        }
    }

    [Theory]
    [InlineData("text/plain", "{\"text\":\"hi\"}", 415)]
    [InlineData("application/json", "{\"text\":\"\"}", 400)]
    [InlineData("application/json", "{\"text\":5}", 400)]
    [InlineData("application/json", "nonsense", 400)]
    [InlineData("audio/pcm", "abc", 400)]
    public async Task Wrong_requests_are_refused_before_the_assistant_hears_of_them(string type, string body, int status)
    {
        await using TestServer server = await StartAsync();
        Assert.Equal(status, (int)(await server.Client.PostAsync("/assistant/talk", Bytes(body, type))).StatusCode);
    }

    [Fact]
    public async Task Sound_has_a_limit_and_no_assistant_is_told()
    {
        await using TestServer server = await StartAsync();
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge,
            (await server.Client.PostAsync("/assistant/talk", Bytes(new string('x', 2_000_000), "audio/pcm"))).StatusCode);
        await using TestServer alone = await TestServer.StartAsync();
        using HttpResponseMessage none = await alone.PostAsync("/assistant/talk", "{\"text\":\"hi\"}");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, none.StatusCode);
        Assert.Contains("assistantSocket", await none.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Events_come_as_they_happen_and_the_page_may_use_the_microphone()
    {
        await using TestServer server = await StartAsync();
        Task<HttpResponseMessage> head = server.Client.GetAsync("/assistant/events", HttpCompletionOption.ResponseHeadersRead);
        using Socket assistant = await _socket.AcceptAsync();
        await assistant.SendAsync(Encoding.UTF8.GetBytes("{\"type\":\"hello\"}\n{\"type\":"));
        using HttpResponseMessage response = await head;
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        Assert.Equal("data: {\"type\":\"hello\"}", await reader.ReadLineAsync());
        await assistant.SendAsync(Encoding.UTF8.GetBytes("\"state\"}\n"));
        Assert.Equal("", await reader.ReadLineAsync());
        Assert.Equal("data: {\"type\":\"state\"}", await reader.ReadLineAsync());
        using HttpResponseMessage page = await server.Client.GetAsync("/assistant");
        Assert.Equal("microphone=(self), camera=(), geolocation=()", page.Headers.GetValues("Permissions-Policy").Single());
    }

    private Task<TestServer> StartAsync(bool hasKeys = false) =>
        TestServer.StartAsync(new ServerOptions { AssistantSocket = _path, ApiKey = hasKeys ? "secret-of-the-test" : null });

    private static ByteArrayContent Bytes(string text, string type)
    {
        var content = new ByteArrayContent(Encoding.UTF8.GetBytes(text));
        content.Headers.ContentType = new(type);
        return content;
    }

    /// <summary>Takes one request, with its sound, and answers it.</summary>
    private async Task<string> AnswerAsync(string answer, int soundBytes = 0)
    {
        using Socket client = await _socket.AcceptAsync();
        var request = new StringBuilder();
        byte[] buffer = new byte[4096];
        while (!request.ToString().Contains('\n', StringComparison.Ordinal) || request.ToString().Split('\n')[1].Length < soundBytes)
            request.Append(Encoding.UTF8.GetString(buffer, 0, await client.ReceiveAsync(buffer)));
        await client.SendAsync(Encoding.UTF8.GetBytes(answer + "\n"));
        return request.ToString().Replace("\n", "", StringComparison.Ordinal);
    }
}
