using System.Net.Sockets;
using System.Text;

namespace EdgeLlm.Server.Systemd;

/// <summary>
/// Tells systemd how the service is: lines of NAME=value in a datagram to the socket that NOTIFY_SOCKET names (sd_notify(3)). Does nothing
/// where there is none.
/// </summary>
internal sealed class ServiceNotifier : IDisposable
{
    private readonly Socket? _socket;
    private readonly ServerLog _log;

    /// <param name="path">A path, or `@name` for one in Linux's abstract name space; null for nobody to tell.</param>
    public ServiceNotifier(string? path, ServerLog log)
    {
        _log = log;
        if (string.IsNullOrEmpty(path)) return;
        _socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        try
        {
            _socket.Connect(new UnixDomainSocketEndPoint(path[0] == '@' ? '\0' + path[1..] : path));
        }
        catch (SocketException exception)
        {
            log.Warning($"systemd's socket {path} can't be reached ({exception.Message}): it will not hear that the service is ready");
            _socket.Dispose();
            _socket = null;
        }
    }

    public void Ready(string status) => Send($"READY=1\nSTATUS={status}");

    public void Stopping() => Send("STOPPING=1\nSTATUS=ending what runs");

    public void Alive() => Send("WATCHDOG=1");

    public void Dispose() => _socket?.Dispose();

    private void Send(string lines)
    {
        if (_socket is null) return;
        try
        {
            _socket.Send(Encoding.UTF8.GetBytes(lines));
        }
        catch (SocketException exception)
        {
            _log.Warning($"systemd could not be told {lines.Split('\n')[0]}: {exception.Message}");
        }
    }
}
