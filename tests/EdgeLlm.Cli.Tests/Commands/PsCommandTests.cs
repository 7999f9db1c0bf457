using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using EdgeLlm.Server;
using EdgeLlm.Server.Settings;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

public sealed class PsCommandTests
{
    private const string Key = "a-key-of-a-test";

    [Fact]
    public async Task A_running_service_says_what_it_has_loaded()
    {
        string path = SharedFolder.Require("models", "stories260K.f32.gguf");
        int port = FreePort();
        using var stop = new CancellationTokenSource();
        var options = new ServerOptions { Listen = new ListenAddress(IPAddress.Loopback, port), ApiKey = Key, Context = 256, Threads = 1 };
        await using var server = new ModelServer(options,
            new ServedModels(new ServedModel("tiny", path, "llama", 260_000, "F32", new FileInfo(path).Length, DateTimeOffset.UtcNow)));
        Task running = server.RunAsync(stop.Token);
        Dictionary<string, string?> environment = new() { ["EDGELLM_LISTEN"] = $"127.0.0.1:{port}", ["EDGELLM_API_KEY"] = Key };
        CliResult result = await TestCli.RunAsync(["ps"], null, environment);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.Matches(@"(?s)name +memory +context.*tiny:latest +[0-9.]+ (k|M)B +256 +ready +0", result.Output);
        using JsonDocument json = JsonDocument.Parse((await TestCli.RunAsync(["ps", "--json"], null, environment)).OutputBytes);
        Assert.Equal("tiny", json.RootElement.GetProperty("models")[0].GetProperty("model").GetString()!.Split(':')[0]);
        CliResult refused = await TestCli.RunAsync(["ps", "--service", $"http://127.0.0.1:{port}"], null,
            new Dictionary<string, string?> { ["EDGELLM_API_KEY"] = "another-key" });
        Assert.Equal((1, $"edgellm: the service at 127.0.0.1:{port} takes an API key: EDGELLM_API_KEY=KEY edgellm ps\n"),
            (refused.ExitCode, refused.Error));
        await stop.CancelAsync();
        await running;
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{\"models\":[1]}")]
    [InlineData("{}")]
    [InlineData("<html>")]
    public async Task Another_program_at_that_address_is_one_line(string body)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        Task answering = AnswerAsync(listener, body);
        CliResult result = await TestCli.RunAsync("ps", "--service", $"{listener.LocalEndpoint}");
        Assert.Equal(1, result.ExitCode);
        Assert.EndsWith("is it edgellm?\n", result.Error);
        await answering;
    }

    [Fact]
    public async Task A_wrong_address_is_a_usage_error() =>
        Assert.Equal(2, (await TestCli.RunAsync("ps", "--service", "nowhere at all")).ExitCode);

    private static async Task AnswerAsync(TcpListener listener, string body)
    {
        using TcpClient client = await listener.AcceptTcpClientAsync();
        NetworkStream stream = client.GetStream();
        byte[] request = new byte[4096];
        _ = await stream.ReadAsync(request);
        await stream.WriteAsync(
            Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}"));
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
