using System.Net;
using System.Net.Sockets;

namespace EdgeLlm.Cli.Pull;

/// <summary>Where an address leads, as far as a download cares.</summary>
internal enum AddressKind
{
    /// <summary>A public or private host.</summary>
    Ordinary,

    /// <summary>This machine.</summary>
    Loopback,

    /// <summary>This network segment only; clouds keep a machine's credentials there (169.254.169.254).</summary>
    LinkLocal,

    /// <summary>No single host: multicast, broadcast.</summary>
    Multicast,
}

/// <summary>
/// Opens connections, and refuses those by which a hub would have this machine talk to itself or to its link: a redirect may lead there
/// only if the hub itself is there. Addresses are judged after they are resolved, as the connection is made: a name can lead anywhere.
/// </summary>
/// <param name="endpoint">The hub, which the user chose: it may be anywhere.</param>
internal sealed class AddressGuard(Uri endpoint)
{
    private AddressKind _hubKind;

    /// <summary>Addresses of a name. Tests put theirs here.</summary>
    public Func<string, CancellationToken, Task<IPAddress[]>> Resolve { get; init; } = Dns.GetHostAddressesAsync;

    /// <summary>A connection to one of these addresses. Tests put theirs here.</summary>
    public Func<IPAddress[], int, CancellationToken, Task<Stream>> Open { get; init; } = OpenAsync;

    /// <summary>Kind of an address. Those of IPv4 inside of IPv6 (mapped, compatible, NAT64, 6to4) count as the inner one.</summary>
    public static AddressKind KindOf(IPAddress address)
    {
        if (address.AddressFamily == AddressFamily.InterNetworkV6)
        {
            if (IPAddress.IsLoopback(address) || address.Equals(IPAddress.IPv6Any)) return AddressKind.Loopback;
            if (address.IsIPv6LinkLocal) return AddressKind.LinkLocal;
            if (address.IsIPv6Multicast) return AddressKind.Multicast;
            return Inside(address.GetAddressBytes()) is { } inside ? KindOf(inside) : AddressKind.Ordinary;
        }
        byte[] bytes = address.GetAddressBytes();
        return bytes[0] switch
        {
            0 or 127 => AddressKind.Loopback, // 0.0.0.0 connects to this machine, too
            169 when bytes[1] == 254 => AddressKind.LinkLocal,
            >= 224 and < 240 or 255 => AddressKind.Multicast,
            _ => AddressKind.Ordinary,
        };
    }

    /// <summary>Refuses a redirect to a spelled-out address: a proxy would follow it without asking <see cref="ConnectAsync"/>.</summary>
    /// <exception cref="PullException">A redirect may not lead there.</exception>
    public void Require(Uri target)
    {
        bool isLocalName = ("." + target.IdnHost).EndsWith(".localhost", StringComparison.OrdinalIgnoreCase);
        AddressKind kind = isLocalName ? AddressKind.Loopback
            : IPAddress.TryParse(target.IdnHost, out IPAddress? address) ? KindOf(address) : AddressKind.Ordinary;
        if (!IsAllowed(kind)) throw Refusal(target.IdnHost, kind);
    }

    /// <summary>Connects as <see cref="SocketsHttpHandler.ConnectCallback"/> is asked to.</summary>
    /// <exception cref="PullException">Every address of the host is one to which a redirect may not lead.</exception>
    public async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellation)
    {
        Uri target = context.InitialRequestMessage.RequestUri!;
        string host = context.DnsEndPoint.Host;
        IPAddress[] addresses = await Resolve(host, cancellation).ConfigureAwait(false);
        if (addresses.Length == 0) throw new SocketException((int)SocketError.HostNotFound);
        bool isHub = target.IdnHost == endpoint.IdnHost && target.Port == endpoint.Port;
        IPAddress[] allowed = addresses;
        if (!IsProxy(target, context.DnsEndPoint))
        {
            if (isHub) _hubKind = KindOf(addresses[0]);
            else allowed = [.. addresses.Where(address => IsAllowed(KindOf(address)))];
        }
        if (allowed.Length == 0) throw Refusal(host, KindOf(addresses[0]));
        return await Open(allowed, context.DnsEndPoint.Port, cancellation).ConfigureAwait(false);
    }

    private static bool IsProxy(Uri target, DnsEndPoint connectTo) =>
        HttpClient.DefaultProxy.GetProxy(target) is { } proxy && proxy.IdnHost == connectTo.Host && proxy.Port == connectTo.Port;

    private static async Task<Stream> OpenAsync(IPAddress[] addresses, int port, CancellationToken cancellation)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(addresses, port, cancellation).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static IPAddress? Inside(byte[] bytes)
    {
        bool isMapped = bytes.AsSpan(0, 10).IndexOfAnyExcept((byte)0) < 0 && (bytes[10], bytes[11]) is (0, 0) or (255, 255); // RFC 4291
        bool isTranslated = bytes.AsSpan(0, 12).SequenceEqual<byte>([0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]); // RFC 6052
        if (isMapped || isTranslated) return new IPAddress(bytes.AsSpan(12));
        bool isTunnelled = (bytes[0], bytes[1]) is (0x20, 0x02); // RFC 3056
        return isTunnelled ? new IPAddress(bytes.AsSpan(2, 4)) : null;
    }

    private static PullException Refusal(string host, AddressKind kind)
    {
        string place = kind switch
        {
            AddressKind.Loopback => "this machine itself",
            AddressKind.LinkLocal => "a link-local address",
            _ => "a multicast address",
        };
        return new PullException($"a redirect leads to {host}, which is {place}: refused");
    }

    private bool IsAllowed(AddressKind kind) => kind == AddressKind.Ordinary || kind == _hubKind;
}
