using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.Kiosk;

/// <summary>
/// A client of the assistant's UNIX socket: one line of JSON and maybe sound go, lines of JSON come. One connection a request.
/// </summary>
internal sealed class AssistantConnection : IDisposable
{
    private const int MostLine = 64 << 10;

    private readonly NetworkStream _stream;

    private AssistantConnection(NetworkStream stream) => _stream = stream;

    /// <summary>Connects and sends a request.</summary>
    /// <exception cref="ApiException">No assistant answers there.</exception>
    public static async Task<AssistantConnection> SendAsync(string path, string request, ReadOnlyMemory<byte> sound,
        CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation).ConfigureAwait(false);
            var stream = new NetworkStream(socket, ownsSocket: true);
            await stream.WriteAsync(Encoding.UTF8.GetBytes(request + "\n"), cancellation).ConfigureAwait(false);
            if (!sound.IsEmpty) await stream.WriteAsync(sound, cancellation).ConfigureAwait(false);
            return new AssistantConnection(stream);
        }
        catch (Exception exception) when (exception is SocketException or IOException)
        {
            socket.Dispose();
            throw new ApiException(503,
                $"no assistant answers at {path} ({exception.Message}): sudo systemctl start edgellm-assistant, or edgellm serve "
                    + "--assistant",
                "no_assistant");
        }
    }

    /// <summary>Lines until the assistant ends.</summary>
    /// <exception cref="IOException">The connection is lost, or a line is too long.</exception>
    public async IAsyncEnumerable<string> LinesAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        byte[] buffer = new byte[MostLine];
        int count = 0;
        while (true)
        {
            int got = await _stream.ReadAsync(buffer.AsMemory(count), cancellation).ConfigureAwait(false);
            if (got == 0) yield break;
            count += got;
            int start = 0;
            for (int end; (end = buffer.AsSpan(start, count - start).IndexOf((byte)'\n')) >= 0; start += end + 1)
                yield return Encoding.UTF8.GetString(buffer, start, end);
            buffer.AsSpan(start, count - start).CopyTo(buffer);
            count -= start;
            if (count == buffer.Length) throw new IOException("the assistant sends a line that is too long");
        }
    }

    public void Dispose() => _stream.Dispose();
}
