using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using EdgeLlm.Assistant.Wyoming;

namespace EdgeLlm.Assistant.Tests.Wyoming;

internal sealed class TestServer : IAsyncDisposable
{
    private readonly CancellationTokenSource _end = new();
    private readonly Lazy<WyomingServer> _server;
    private Task _running = Task.CompletedTask;

    public TestServer(WyomingRecognizer? recognizer, WyomingWakeWord[]? words = null, WyomingLimits? limits = null,
        params WyomingVoice[] voices)
    {
        _server = new Lazy<WyomingServer>(() =>
        {
            var server = new WyomingServer(new IPEndPoint(IPAddress.Loopback, 0), [],
                new WyomingServices("0.1.0", recognizer, words ?? [], voices) { Handler = Handler },
                limits ?? new WyomingLimits(), _ => { });
            server.Start();
            _running = server.RunAsync(_end.Token);
            return server;
        });
    }

    /// <summary>The conversation agent; null: none.</summary>
    public WyomingHandler? Handler { get; init; }

    public TestPeer Connect() => new(_server.Value.Address);

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _running;
        if (_server.IsValueCreated) _server.Value.Dispose();
        _end.Dispose();
    }
}

/// <summary>A client that writes what Home Assistant's library writes.</summary>
internal sealed class TestPeer : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly TcpClient _client = new() { NoDelay = true };
    private readonly NetworkStream _stream;

    public TestPeer(IPEndPoint server)
    {
        _client.Connect(server);
        _stream = _client.GetStream();
    }

    public Task WriteAsync(string type, string data = "", byte[]? payload = null) => SendAsync(Event(type, data, payload));

    public Task SendAsync(byte[] bytes) => _stream.WriteAsync(bytes).AsTask();

    /// <summary>The data of the next event, which must be of a type; null: the connection is closed.</summary>
    public async Task<JsonElement?> ReadAsync(string? type)
    {
        (string Type, JsonElement Data, byte[] Payload)? next = await ReadAnyAsync();
        if (next is null) return type is null ? null : throw new InvalidOperationException("the server closed");
        Assert.Equal(type, next.Value.Type);
        return next.Value.Data;
    }

    /// <summary>The next event; null: the connection is closed.</summary>
    public async Task<(string Type, JsonElement Data, byte[] Payload)?> ReadAnyAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        var line = new List<byte>();
        byte[] one = new byte[1];
        while (true)
        {
            int count;
            try
            {
                count = await _stream.ReadAsync(one, patience.Token);
            }
            catch (IOException)
            {
                count = 0; // a connection that is closed before all was read
            }
            if (count == 0) return null;
            if (one[0] == '\n') break;
            line.Add(one[0]);
        }
        using JsonDocument header = JsonDocument.Parse(line.ToArray());
        byte[] block = new byte[Length("data_length")], payload = new byte[Length("payload_length")];
        await _stream.ReadExactlyAsync(block, patience.Token);
        await _stream.ReadExactlyAsync(payload, patience.Token);
        using JsonDocument data = JsonDocument.Parse(block.Length == 0 ? "{}"u8.ToArray() : block);
        return (header.RootElement.GetProperty("type").GetString()!, data.RootElement.Clone(), payload);

        int Length(string name) => header.RootElement.TryGetProperty(name, out JsonElement given) ? given.GetInt32() : 0;
    }

    public void Dispose() => _client.Dispose();

    /// <summary>An event as Home Assistant's library writes it.</summary>
    public static byte[] Event(string type, string data = "", byte[]? payload = null)
    {
        byte[] block = Encoding.UTF8.GetBytes(data);
        string header =
            $"{{\"type\": \"{type}\", \"version\": \"1.9.0\"{(block.Length > 0 ? $", \"data_length\": {block.Length}" : "")}{(payload is not null ? $", \"payload_length\": {payload.Length}" : "")}}}\n";
        return [.. Encoding.UTF8.GetBytes(header), .. block, .. payload ?? []];
    }
}
