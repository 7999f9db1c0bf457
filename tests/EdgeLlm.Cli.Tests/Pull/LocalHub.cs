using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace EdgeLlm.Cli.Tests.Pull;

/// <summary>A small HTTP server that passes for Hugging Face: one request a connection, answered by a function.</summary>
internal sealed class LocalHub : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Func<HubRequest, HubResponse> _answer;
    private readonly CancellationTokenSource _end = new();

    public LocalHub(Func<HubRequest, HubResponse> answer)
    {
        _answer = answer;
        _listener.Start();
        _ = Task.Run(AcceptAsync);
    }

    public string Address => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    public ConcurrentQueue<HubRequest> Requests { get; } = new();

    /// <summary>
    /// A repository `owner/name` with these files; <paramref name="change"/> may put another answer in the place of a file's.
    /// </summary>
    public static LocalHub With(Dictionary<string, byte[]> files, Func<HubRequest, HubResponse, HubResponse?>? change = null) =>
        new(request =>
    {
        const string list = "/api/models/owner/name/tree/main?recursive=true", resolve = "/owner/name/resolve/main/";
        HubResponse usual = request.Target == list ? new HubResponse(200, List(files))
            : request.Target.StartsWith(resolve, StringComparison.Ordinal)
                && files.TryGetValue(Uri.UnescapeDataString(request.Target[resolve.Length..]), out byte[]? bytes)
                ? HubResponse.File(request, bytes)
            : new HubResponse(404, []);
        return change?.Invoke(request, usual) ?? usual;
    });

    public static byte[] List(Dictionary<string, byte[]> files) =>
        List(files.Select(file => (file.Key, (long)file.Value.Length, (string?)Convert.ToHexStringLower(SHA256.HashData(file.Value)))));

    public static byte[] List(IEnumerable<(string Path, long Size, string? Sha256)> files)
    {
        using var output = new MemoryStream();
        using (var json = new Utf8JsonWriter(output))
        {
            json.WriteStartArray();
            foreach ((string path, long size, string? sha) in files)
            {
                json.WriteStartObject();
                json.WriteString("type", "file");
                json.WriteString("path", path);
                json.WriteNumber("size", size);
                if (sha is not null)
                {
                    json.WriteStartObject("lfs");
                    json.WriteString("oid", sha);
                    json.WriteNumber("size", size);
                    json.WriteEndObject();
                }
                json.WriteEndObject();
            }
            json.WriteStartObject();
            json.WriteString("type", "directory");
            json.WriteString("path", "folder");
            json.WriteEndObject();
            json.WriteEndArray();
        }
        return output.ToArray();
    }

    public void Dispose()
    {
        _end.Cancel();
        _listener.Dispose();
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                TcpClient client = await _listener.AcceptTcpClientAsync(_end.Token);
                _ = Task.Run(() => ServeAsync(client));
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            NetworkStream stream = client.GetStream();
            using var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
            string[] first = (await reader.ReadLineAsync() ?? "").Split(' ');
            var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
            while (await reader.ReadLineAsync() is { Length: > 0 } line)
                headers[line[..line.IndexOf(':')]] = line[(line.IndexOf(':') + 1)..].Trim();
            if (first.Length < 2) return;
            var request = new HubRequest(first[1], headers);
            Requests.Enqueue(request);
            HubResponse response = _answer(request);
            var head = new StringBuilder($"HTTP/1.1 {response.Status} Answer\r\nConnection: close\r\n");
            head.Append(response.Chunked ? "Transfer-Encoding: chunked\r\n"
                : $"Content-Length: {response.DeclaredLength ?? response.Body.Length}\r\n");
            foreach ((string name, string value) in response.Headers) head.Append($"{name}: {value}\r\n");
            await stream.WriteAsync(Encoding.UTF8.GetBytes(head + "\r\n"));
            ReadOnlyMemory<byte> body = response.Body.AsMemory(0, Math.Min(response.CutAfter ?? int.MaxValue, response.Body.Length));
            if (response.Chunked && body.Length > 0) await stream.WriteAsync(Encoding.ASCII.GetBytes($"{body.Length:x}\r\n"));
            for (int at = 0; response.Trickle is { } delay && at < body.Length; at++)
            {
                await Task.Delay(delay, _end.Token);
                await stream.WriteAsync(body.Slice(at, 1));
            }
            if (response.Trickle is null) await stream.WriteAsync(body);
            if (response.Chunked) await stream.WriteAsync(body.Length > 0 ? "\r\n0\r\n\r\n"u8.ToArray() : "0\r\n\r\n"u8.ToArray());
            if (response.ThenSilent) await Task.Delay(Timeout.Infinite, _end.Token).ContinueWith(static _ => { });
        }
    }
}
