using System.Globalization;
using System.Net;

namespace EdgeLlm.Server.Settings;

/// <summary>Where the service listens.</summary>
/// <param name="Address">An address of this machine, or one that means all of them.</param>
/// <param name="Port">0 to 65535; 0 takes a free one.</param>
public readonly record struct ListenAddress(IPAddress Address, int Port)
{
    /// <summary>Ollama's port, so that its clients find the service unchanged.</summary>
    public const int DefaultPort = 11434;

    /// <summary>This machine alone.</summary>
    public static ListenAddress Default { get; } = new(IPAddress.Loopback, DefaultPort);

    /// <summary>Whether only programs on this machine can come.</summary>
    public bool IsLoopback => IPAddress.IsLoopback(Address);

    /// <summary>
    /// Reads `127.0.0.1:8080`, `[::1]:8080`, `localhost`, `*` (all addresses), each with or without a port, and a port of this machine
    /// alone: `8080`, `:8080`.
    /// </summary>
    /// <exception cref="FormatException">It is none of these; the message says what is.</exception>
    public static ListenAddress Parse(string text)
    {
        if (text.TrimStart(':') is var digits && text.Length - digits.Length < 2 && digits.Length > 0 && digits.All(char.IsAsciiDigit))
            text = $"{IPAddress.Loopback}:{digits}";
        (string host, string? port) = Split(text);
        int number = DefaultPort;
        IPAddress? address = host switch
        {
            "localhost" => IPAddress.Loopback,
            "*" => IPAddress.IPv6Any,
            _ => IPAddress.TryParse(host, out IPAddress? parsed) ? parsed : null,
        };
        if (address is null
            || (port is not null && (!int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out number) || number > 65535)))
            throw new FormatException(
                "a port (8080: for this machine alone), or an address with one (127.0.0.1:8080, [::1]:8080; *:8080 for other machines "
                    + "too)");
        return new ListenAddress(address, number);
    }

    /// <inheritdoc/>
    public override string ToString() => new IPEndPoint(Address, Port).ToString();

    private static (string Host, string? Port) Split(string text)
    {
        if (text.StartsWith('[') && text.IndexOf(']', StringComparison.Ordinal) is > 0 and var end)
            return text[(end + 1)..] is ['.', ..] or "" ? (text[1..end], null) : (text[1..end], text[(end + 1)..].TrimStart(':'));
        int colon = text.LastIndexOf(':');
        bool hasPort = colon >= 0 && text.IndexOf(':', StringComparison.Ordinal) == colon; // more colons: IPv6 without brackets
        return hasPort ? (text[..colon], text[(colon + 1)..]) : (text, null);
    }
}
