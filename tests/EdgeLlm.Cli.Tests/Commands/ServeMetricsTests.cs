using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using EdgeLlm.Cli.Tests.Files;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

/// <summary>Metrics that `serve` sends by OTLP, as the environment of its process says; traces are not sent.</summary>
public sealed class ServeMetricsTests : IDisposable
{
    private const string Ask =
        """{"model":"tiny","prompt":"Once upon a time","raw":true,"stream":false,"options":{"num_predict":20,"temperature":0}}""";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT", "")]
    [InlineData("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "/v1/metrics")]
    public async Task A_collector_gets_the_metrics_and_no_text(string variable, string path)
    {
        using var collector = new Collector(answers: true);
        await using Service service = await StartAsync((variable, collector.Address + path), ("OTEL_METRIC_EXPORT_INTERVAL", "200"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-token=geheim"), ("OTEL_RESOURCE_ATTRIBUTES", "place=attic"));
        string answer = await service.AskAsync();
        string sent = await collector.WaitForAsync("gen_ai.client.token.usage");
        Assert.StartsWith("POST /v1/metrics HTTP/1.1\r\n", sent, StringComparison.Ordinal);
        Assert.Contains("x-token: geheim", sent, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("application/x-protobuf", sent, StringComparison.Ordinal);
        foreach (string part in new[] { "edgellm", "attic", "gen_ai.server.request.duration", "edgellm.requests" })
            Assert.Contains(part, sent, StringComparison.Ordinal);
        Assert.DoesNotContain("Once upon", sent, StringComparison.Ordinal);
        Assert.DoesNotContain(answer, sent, StringComparison.Ordinal);
        Assert.DoesNotContain("geheim", service.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("OTEL_SDK_DISABLED", "true")]
    [InlineData("OTEL_METRICS_EXPORTER", "none")]
    public async Task Without_the_variables_nothing_is_sent(string variable, string value)
    {
        using var collector = new Collector(answers: true);
        (string, string)[] environment = variable.Length == 0 ? [("OTEL_METRIC_EXPORT_INTERVAL", "50")]
            : [(variable, value), ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.Address), ("OTEL_METRIC_EXPORT_INTERVAL", "50")];
        await using (Service service = await StartAsync(environment)) await service.AskAsync();
        Assert.Equal(0, collector.Connections);
    }

    /// <summary>One that takes connections and never answers, and one that nobody listens at.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_collector_that_hangs_or_is_down_changes_no_answer_and_holds_nothing(bool hangs)
    {
        string expected;
        await using (Service plain = await StartAsync()) expected = await plain.AskAsync();
        using var collector = new Collector(answers: false);
        string address = collector.Address;
        if (!hangs) collector.Dispose();
        await using Service service = await StartAsync(("OTEL_EXPORTER_OTLP_ENDPOINT", address),
            ("OTEL_METRIC_EXPORT_INTERVAL", "20"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "100"));
        for (int i = 0; i < 20; i++) Assert.Equal(expected, await service.AskAsync()); // warm
        int descriptors = service.Descriptors;
        for (int i = 0; i < 60; i++) Assert.Equal(expected, await service.AskAsync());
        Assert.InRange(service.Descriptors, 0, descriptors + 10);
        if (hangs) Assert.InRange(collector.Connections, 1, int.MaxValue); // it was tried
        Assert.Single(service.Log.Split('\n'), line => line.Contains("metrics", StringComparison.Ordinal)); // not complained of each time
    }

    private async Task<Service> StartAsync(params (string Name, string Value)[] environment)
    {
        string model = SharedFolder.Require("models", "stories260K.f32.gguf");
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        int port = ((IPEndPoint)free.LocalEndpoint).Port;
        free.Stop();
        Process process = ProgramProcess.Start(
            $"exec edgellm serve --model '{model}' --name tiny --models none --keys-file none --listen 127.0.0.1:{port}", _folder,
            environment);
        var service = new Service(process, port);
        await service.WaitUntilReadyAsync();
        return service;
    }

    /// <summary>A running `edgellm serve`.</summary>
    private sealed class Service : IAsyncDisposable
    {
        private readonly Process _process;
        private readonly HttpClient _client;
        private readonly StringBuilder _log = new();

        public Service(Process process, int port)
        {
            (_process, _client) = (process, new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") });
            process.OutputDataReceived += Add;
            process.ErrorDataReceived += Add;
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();

            void Add(object sender, DataReceivedEventArgs line)
            {
                lock (_log) _log.Append(line.Data).Append('\n');
            }
        }

        public string Log
        {
            get
            {
                lock (_log) return _log.ToString();
            }
        }

        public int Descriptors => Directory.GetFileSystemEntries($"/proc/{_process.Id}/fd").Length;

        public async Task WaitUntilReadyAsync()
        {
            while (!_process.HasExited)
            {
                try
                {
                    if ((await _client.GetAsync(new Uri("/health/ready", UriKind.Relative))).IsSuccessStatusCode) return;
                }
                catch (HttpRequestException)
                {
                    // Not yet.
                }
                await Task.Delay(20);
            }
            Assert.Fail(Log);
        }

        public async Task<string> AskAsync()
        {
            using var content = new StringContent(Ask);
            using HttpResponseMessage response = await _client.PostAsync(new Uri("/api/generate", UriKind.Relative), content);
            string body = await response.Content.ReadAsStringAsync();
            Assert.True(response.IsSuccessStatusCode, body);
            return System.Text.Json.JsonDocument.Parse(body).RootElement.GetProperty("response").GetString()!;
        }

        public async ValueTask DisposeAsync()
        {
            _client.Dispose();
            if (!_process.HasExited) _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
            _process.Dispose();
        }
    }

    /// <summary>A collector of OTLP over HTTP, which keeps what comes; or one that never answers.</summary>
    private sealed class Collector : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly ConcurrentBag<TcpClient> _clients = [];
        private readonly StringBuilder _sent = new();
        private readonly bool _answers;

        public Collector(bool answers)
        {
            _answers = answers;
            _listener.Start();
            Address = $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";
            _ = AcceptAsync();
        }

        public string Address { get; }

        public int Connections => _clients.Count;

        public async Task<string> WaitForAsync(string part)
        {
            for (int i = 0; i < 6000; i++)
            {
                lock (_sent)
                {
                    string all = _sent.ToString();
                    if (all.Contains(part, StringComparison.Ordinal)) return all;
                }
                await Task.Delay(10);
            }
            lock (_sent) Assert.Contains(part, _sent.ToString(), StringComparison.Ordinal);
            return "";
        }

        public void Dispose()
        {
            _listener.Dispose();
            foreach (TcpClient client in _clients) client.Dispose();
        }

        private async Task AcceptAsync()
        {
            try
            {
                while (true)
                {
                    TcpClient client = await _listener.AcceptTcpClientAsync();
                    _clients.Add(client);
                    if (_answers) _ = ServeAsync(client.GetStream());
                }
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                // It is closed.
            }
        }

        private async Task ServeAsync(NetworkStream stream)
        {
            try
            {
                var request = new StringBuilder();
                byte[] buffer = new byte[64 << 10];
                int read;
                while ((read = await stream.ReadAsync(buffer)) > 0)
                {
                    request.Append(Encoding.Latin1.GetString(buffer, 0, read));
                    if (!IsWhole(request.ToString())) continue;
                    lock (_sent) _sent.Append(request);
                    request.Clear();
                    await stream.WriteAsync(Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
                }
            }
            catch (Exception exception) when (exception is IOException or ObjectDisposedException)
            {
                // The service has ended.
            }
        }

        private static bool IsWhole(string request)
        {
            const string Length = "Content-Length: ";
            int body = request.IndexOf("\r\n\r\n", StringComparison.Ordinal),
                at = request.IndexOf(Length, StringComparison.OrdinalIgnoreCase);
            return body >= 0 && at >= 0 && at < body
                && request.Length >= body + 4 + int.Parse(request[(at + Length.Length)..request.IndexOf('\r', at)], null);
        }
    }
}
