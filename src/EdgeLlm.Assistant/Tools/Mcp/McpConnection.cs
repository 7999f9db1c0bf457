using System.Diagnostics;
using System.Net;
using System.Text.Json;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Files;
using EdgeLlm.Speech.Commands;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace EdgeLlm.Assistant.Tools.Mcp;

/// <summary>
/// A client of one MCP server: a program that speaks on standard input and output, or an address. What it sends is bounded: a line or an
/// answer of more than
/// <see cref="MostBytes"/> ends the connection. It receives no answer to requests of its own (sampling, elicitation). One that was lost is
/// made again at the next call.
/// </summary>
internal sealed class McpConnection(McpSettings settings) : IAsyncDisposable
{
    /// <summary>Bytes of a message.</summary>
    public const int MostBytes = 1 << 20;

    private const int MostPages = 8;
    private static readonly TimeSpan IdleLimit =
        TimeSpan.FromSeconds(2); // servers close one after 5 s and longer: a call must not meet that

    private readonly SemaphoreSlim _turn = new(1);
    private McpClient? _client;
    private Process? _process;
    private HttpClient? _http;

    /// <summary>Name, program or address.</summary>
    public McpSettings Settings { get; } = settings;

    /// <summary>Name, description and schema of the server's tools.</summary>
    /// <param name="most">Tools that are wanted at most.</param>
    public async Task<IReadOnlyList<(string Name, string Description, JsonElement Schema)>> ListAsync(int most,
        CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Settings.Limit);
        McpClient client = await ConnectAsync(limit.Token).ConfigureAwait(false);
        var tools = new List<(string, string, JsonElement)>();
        string? cursor = null;
        for (int page = 0; page < MostPages && tools.Count < most; page++)
        {
            ListToolsResult result =
                await client.ListToolsAsync(new ListToolsRequestParams { Cursor = cursor }, limit.Token).ConfigureAwait(false);
            foreach (ModelContextProtocol.Protocol.Tool tool in result.Tools.Take(most - tools.Count))
                tools.Add((tool.Name ?? "", tool.Description ?? "", tool.InputSchema));
            if ((cursor = result.NextCursor) is null) break;
        }
        return tools;
    }

    /// <summary>Calls a tool.</summary>
    /// <returns>Its text, and whether it says that it failed.</returns>
    public async Task<(string Text, bool IsError)> CallAsync(string tool, JsonElement arguments, CancellationToken cancellation)
    {
        McpClient client = await ConnectAsync(cancellation).ConfigureAwait(false);
        try
        {
            var request = new CallToolRequestParams
            {
                Name = tool,
                Arguments = arguments.EnumerateObject().ToDictionary(static one => one.Name, static one => one.Value.Clone()),
            };
            CallToolResult result = await client.CallToolAsync(request, cancellation).ConfigureAwait(false);
            return (string.Join("\n", result.Content.OfType<TextContentBlock>().Select(static block => block.Text)),
                result.IsError == true);
        }
        catch (Exception exception) when (exception is IOException or HttpRequestException or ModelContextProtocol.McpException)
        {
            if (client.Completion.IsCompleted || exception is not ModelContextProtocol.McpException)
                await CloseAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Says why a server can't be used: the cause, where the exception says only that there was one.</summary>
    public static string Reason(Exception exception) =>
        exception is HttpRequestException { InnerException: { } cause } ? cause.Message : exception.Message;

    public async ValueTask DisposeAsync()
    {
        await CloseAsync().ConfigureAwait(false);
        _turn.Dispose();
    }

    private async Task<McpClient> ConnectAsync(CancellationToken cancellation)
    {
        await _turn.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            if (_client is { Completion.IsCompleted: false }) return _client;
            await ReleaseAsync().ConfigureAwait(false);
            var options = new McpClientOptions
            {
                ClientInfo = new Implementation { Name = "edgellm", Version = "1" },
                InitializationTimeout = Settings.Limit,
            };
            try
            {
                return _client = await McpClient.CreateAsync(Settings.Url is null ? OfProgram() : OfAddress(Settings.Url), options,
                    loggerFactory: null, cancellation).ConfigureAwait(false);
            }
            catch
            {
                await ReleaseAsync().ConfigureAwait(false);
                throw;
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    private StreamClientTransport OfProgram()
    {
        ProcessStartInfo start = new ExternalCommand(Settings.Name, Settings.Command).Describe();
        _process = Process.Start(start) ?? throw new IOException($"{Settings.Command[0]} can't be started");
        Stream errors = _process.StandardError.BaseStream;
        _ = errors.CopyToAsync(Stream.Null); // or it would stop at a full pipe
        return new StreamClientTransport(_process.StandardInput.BaseStream,
            new BoundedStream(_process.StandardOutput.BaseStream, byLine: true));
    }

    private HttpClientTransport OfAddress(string url)
    {
        _http =
            new HttpClient(
                new BoundedHandler
                {
                    InnerHandler = new SocketsHttpHandler
                    {
                        AllowAutoRedirect = false,
                        UseCookies = false,
                        AutomaticDecompression = DecompressionMethods.None,
                        PooledConnectionIdleTimeout = IdleLimit
                    }
                })
            {
                Timeout = TimeSpan.FromSeconds(60),
            };
        return new HttpClientTransport(
            new HttpClientTransportOptions
            {
                Endpoint = new Uri(url),
                TransportMode = HttpTransportMode.StreamableHttp,
                ConnectionTimeout = Settings.Limit,
                EnableStandaloneGetStream = false
            }, _http);
    }

    private async Task CloseAsync()
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            await ReleaseAsync().ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task ReleaseAsync()
    {
        if (_process is not null)
        {
            try
            {
                _process.Kill(entireProcessTree: true);
            }
            catch (InvalidOperationException)
            {
                // It has ended.
            }
        }
        if (_client is not null) await _client.DisposeAsync().ConfigureAwait(false);
        _process?.Dispose();
        _http?.Dispose();
        (_client, _process, _http) = (null, null, null);
    }

    /// <summary>Bounds the body of every answer.</summary>
    private sealed class BoundedHandler : DelegatingHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            HttpResponseMessage response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
            var bounded = new StreamContent(
                new BoundedStream(await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false), byLine: false));
            foreach ((string name, IEnumerable<string> values) in response.Content.Headers)
                bounded.Headers.TryAddWithoutValidation(name, values);
            response.Content = bounded;
            return response;
        }
    }
}

/// <summary>A stream that ends with an error after too many bytes, of a line or in all.</summary>
internal sealed class BoundedStream(Stream inner, bool byLine) : ForwardStream
{
    private long _count;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int got = await inner.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        int end = byLine ? buffer.Span[..got].LastIndexOf((byte)'\n') : -1;
        _count = end >= 0 ? got - end - 1 : _count + got;
        return _count <= McpConnection.MostBytes ? got
            : throw new IOException($"the server sends more than {McpConnection.MostBytes >> 20} MB at once");
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) =>
        ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    protected override void Dispose(bool disposing)
    {
        if (disposing) inner.Dispose();
        base.Dispose(disposing);
    }
}
