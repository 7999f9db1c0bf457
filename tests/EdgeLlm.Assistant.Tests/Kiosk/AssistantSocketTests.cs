using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using EdgeLlm.Assistant.Conversation;
using EdgeLlm.Assistant.Kiosk;

namespace EdgeLlm.Assistant.Tests.Kiosk;

public sealed class AssistantSocketTests : IAsyncDisposable
{
    private const string PageMayAll = """, "sources": { "page": ["*"], "api": ["get_time", "read_sensor"] } }""";

    private readonly string _path = Path.Combine(Path.GetTempPath(), $"edgellm-{Guid.NewGuid():N}"[..20]);
    private readonly TestHouse _house = new(TestHouse.Config.TrimEnd()[..^1] + PageMayAll);
    private readonly AssistantSocket _socket;

    public AssistantSocketTests()
    {
        _socket = new AssistantSocket(_house.Host, _path);
        Action<AssistantEvent>? before = _house.Host.Happened;
        _house.Host.Happened = happened =>
        {
            before?.Invoke(happened);
            _socket.Tell(happened);
        };
    }

    public async ValueTask DisposeAsync()
    {
        await _socket.DisposeAsync();
        _house.Dispose();
        Assert.False(File.Exists(_path));
    }

    [Fact]
    public async Task A_page_may_what_config_says_and_answer_a_question_and_a_program_may_not()
    {
        Assert.Equal(("fan is on.", false), await TalkAsync("turn on the fan", "page"));
        Assert.Equal(("I may not do that from here.", false), await TalkAsync("turn off the fan", "api"));
        Assert.Equal(("Shall I switch heater on?", true), await TalkAsync("turn on the heater", "page"));
        Assert.Equal("All right, I leave it.", (await TalkAsync("yes", "api")).Answer); // a program's yes is text that somebody sent
        Assert.Equal([("fan", 100)], _house.Moves);
        Assert.True((await TalkAsync("turn on the heater", "page")).Asks);
        Assert.Equal("heater is on.", (await TalkAsync("yes", "page")).Answer);
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_path));
    }

    [Fact]
    public async Task Events_begin_with_what_there_is_and_tell_the_turn()
    {
        using NetworkStream stream = await SendAsync("{\"do\":\"events\"}\n");
        using var reader = new StreamReader(stream);
        using JsonDocument hello = JsonDocument.Parse((await reader.ReadLineAsync(TestContext.Current.CancellationToken))!);
        Assert.Equal("hello", hello.RootElement.GetProperty("type").GetString());
        Assert.Equal(5, hello.RootElement.GetProperty("devices").GetArrayLength());
        await TalkAsync("turn on the fan", "page");
        var seen = new List<string>();
        while (!seen.Contains("answered"))
            seen.Add(
                JsonDocument.Parse((await reader.ReadLineAsync(TestContext.Current.CancellationToken))!).RootElement.GetProperty("type")
                    .GetString()!);
        Assert.Equal(["state", "heard", "device", "call", "answer", "answered"],
            seen.Distinct().OrderBy(static name => Array.IndexOf(["state", "heard", "device", "call", "answer", "answered"], name)));
    }

    [Theory]
    [InlineData("nonsense\n", "one line of JSON")]
    [InlineData("[]\n", "must be a JSON object")]
    [InlineData("{}\n", "\"do\" must be")]
    [InlineData("{\"do\":\"talk\"}\n", "needs \"text\"")]
    [InlineData("{\"do\":\"talk\",\"bytes\":3}\n", "needs \"text\"")]
    [InlineData("{\"do\":\"talk\",\"bytes\":99999999}\n", "needs \"text\"")]
    [InlineData("{\"do\":\"talk\",\"text\":5}\n", "must be a text")]
    [InlineData("{\"do\":\"talk\",\"text\":\"hi\",\"source\":\"button\"}\n", "\"source\" must be")]
    [InlineData("{\"do\":\"talk\",\"bytes\":4}\nabcd", "no model that hears")]
    public async Task Wrong_requests_are_told_what_is_right(string request, string answer)
    {
        using NetworkStream stream = await SendAsync(request);
        using var reader = new StreamReader(stream);
        Assert.Contains(answer,
            JsonDocument.Parse((await reader.ReadToEndAsync(TestContext.Current.CancellationToken)).Trim()).RootElement.GetProperty("error")
                .GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lines_without_end_and_clients_without_number_do_not_hold_it_up()
    {
        using NetworkStream endless = await SendAsync(new string('x', AssistantSocket.MostLine + 10));
        await Assert.ThrowsAnyAsync<IOException>(async () => // closed, or reset as some of it was never read
        {
            if (await endless.ReadAsync(new byte[1], TestContext.Current.CancellationToken) == 0) throw new EndOfStreamException();
        });
        List<NetworkStream> idle = [];
        for (int i = 0; i < 30; i++)
        {
            try
            {
                idle.Add(await SendAsync(""));
            }
            catch (Exception exception) when (exception is SocketException or IOException)
            {
                // Refused: there are too many.
            }
        }
        foreach (NetworkStream stream in idle) stream.Dispose();
        for (int i = 0; ; i++)
        {
            try
            {
                Assert.StartsWith("It is 12:", (await TalkAsync("what time is it", "api")).Answer, StringComparison.Ordinal);
                return;
            }
            catch (Exception exception) when (exception is SocketException or IOException or JsonException && i < 1200)
            {
                await Task.Delay(50, TestContext.Current.CancellationToken); // those that are gone are seen in a moment
            }
        }
    }

    [Fact]
    public void A_second_assistant_is_refused_and_a_dead_ones_socket_is_replaced()
    {
        Assert.Contains("another assistant", Assert.Throws<IOException>(() => new AssistantSocket(_house.Host, _path)).Message,
            StringComparison.Ordinal);
        Assert.Contains("can't be made", Assert.Throws<IOException>(() => new AssistantSocket(_house.Host, "/nonexistent/socket")).Message,
            StringComparison.Ordinal);
    }

    private async Task<(string Answer, bool Asks)> TalkAsync(string text, string source)
    {
        using NetworkStream stream =
            await SendAsync(
                JsonSerializer.Serialize(new Dictionary<string, string> { ["do"] = "talk", ["text"] = text, ["source"] = source }) + "\n");
        using var reader = new StreamReader(stream);
        JsonElement answer = JsonDocument.Parse((await reader.ReadToEndAsync(TestContext.Current.CancellationToken)).Trim()).RootElement;
        return (answer.GetProperty("answer").GetString()!, answer.GetProperty("asks").GetBoolean());
    }

    private async Task<NetworkStream> SendAsync(string request)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(_path), TestContext.Current.CancellationToken);
        var stream = new NetworkStream(socket, ownsSocket: true);
        await stream.WriteAsync(Encoding.UTF8.GetBytes(request), TestContext.Current.CancellationToken);
        return stream;
    }
}
