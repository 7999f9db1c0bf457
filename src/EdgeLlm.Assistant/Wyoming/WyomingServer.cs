using System.Net;
using System.Net.Sockets;

namespace EdgeLlm.Assistant.Wyoming;

/// <summary>Listens for Home Assistant: a conversation of <see cref="WyomingSession"/> on each connection.</summary>
/// <param name="address">Where to listen; port 0: any that is free.</param>
/// <param name="allowed">Peers beside this machine itself.</param>
/// <param name="log">Receives a line about each peer that is turned away or broke a rule.</param>
internal sealed class WyomingServer(IPEndPoint address, IReadOnlyList<IPNetwork> allowed, WyomingServices services, WyomingLimits limits,
    Action<string> log) : IDisposable
{
    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(2);

    private readonly TcpListener listener = new(address);
    private int connections;

    /// <summary>Where it listens.</summary>
    public IPEndPoint Address => (IPEndPoint)listener.LocalEndpoint;

    /// <summary>Begins to listen.</summary>
    /// <exception cref="SocketException">The address is taken, or is not this machine's.</exception>
    public void Start() => listener.Start();

    /// <summary>Answers until it is cancelled; then every connection is closed.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        List<Task> sessions = [];
        try
        {
            while (true)
            {
                Socket peer;
                try
                {
                    peer = await listener.AcceptSocketAsync(cancellation).ConfigureAwait(false);
                }
                catch (SocketException exception) when (!cancellation.IsCancellationRequested)
                {
                    log($"a connection failed: {exception.SocketErrorCode}");
                    await Task.Delay(100, cancellation).ConfigureAwait(false); // too many open files: not a busy loop
                    continue;
                }
                sessions.RemoveAll(session => session.IsCompleted);
                sessions.Add(ServeAsync(peer, cancellation));
            }
        }
        catch (OperationCanceledException)
        {
            // The end that was asked for.
        }
        await Task.WhenAll(sessions).ConfigureAwait(false);
    }

    public void Dispose() => listener.Dispose();

    private async Task ServeAsync(Socket socket, CancellationToken cancellation)
    {
        await Task.Yield();
        IPAddress peer = ((IPEndPoint)socket.RemoteEndPoint!).Address;
        if (peer.IsIPv4MappedToIPv6) peer = peer.MapToIPv4();
        using var stream = new NetworkStream(socket, ownsSocket: true);
        socket.NoDelay = true;
        var connection = new WyomingConnection(stream, limits);
        bool isCounted = Interlocked.Increment(ref connections) <= limits.Connections;
        try
        {
            if (!IPAddress.IsLoopback(peer) && !allowed.Any(network => network.Contains(peer)))
            {
                log($"{peer}: not allowed");
                return;
            }
            if (!isCounted) throw new WyomingException($"there are {limits.Connections} connections already");
            await new WyomingSession(connection, services, limits).RunAsync(cancellation).ConfigureAwait(false);
        }
        catch (WyomingException exception)
        {
            log($"{peer}: {exception.Message}");
            await EndAsync(socket, connection, exception.Message, cancellation).ConfigureAwait(false);
        }
        catch (TimeoutException exception)
        {
            log($"{peer}: {exception.Message}");
        }
        catch (Exception exception)
            when (exception is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The peer is gone, or the server ends.
        }
        catch (Exception exception)
        {
            // A fault of a model must not end the server.
            log($"{peer}: {exception.GetType().Name}: {exception.Message}");
            await EndAsync(socket, connection, "this could not be heard or spoken", cancellation).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref connections);
        }
    }

    /// <summary>
    /// Tells a peer why its connection ends. What it still sends is read away for a moment: a socket that is closed with unread bytes is
    /// reset, and the peer's system then throws away what it was told.
    /// </summary>
    private static async Task EndAsync(Socket socket, WyomingConnection connection, string message, CancellationToken cancellation)
    {
        try
        {
            await connection.WriteAsync("error", json =>
            {
                json.WriteString("text", message);
                json.WriteString("code", "edgellm");
            }, cancellation).ConfigureAwait(false);
            socket.Shutdown(SocketShutdown.Send);
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            limit.CancelAfter(DrainLimit);
            byte[] rest = new byte[4096];
            while (await socket.ReceiveAsync(rest, limit.Token).ConfigureAwait(false) > 0) { }
        }
        catch (Exception exception)
            when (exception is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // It is gone already, or sends on and on.
        }
    }
}
