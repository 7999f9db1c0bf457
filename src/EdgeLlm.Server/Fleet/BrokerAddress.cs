using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using EdgeLlm.Files;
using RabbitMQ.Client;

namespace EdgeLlm.Server.Fleet;

/// <summary>Where the broker is, and who this process is to it. Its password is in no message and no log.</summary>
public sealed class BrokerAddress
{
    private const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    private readonly Uri _uri;

    private BrokerAddress(Uri uri) => _uri = uri;

    /// <summary>Host and port, for messages.</summary>
    public string Place => $"{_uri.Host}:{Port}";

    private bool IsSecure => _uri.Scheme == "amqps";

    private int Port => _uri.IsDefaultPort || _uri.Port <= 0 ? IsSecure ? 5671 : 5672 : _uri.Port;

    /// <summary>Reads `amqp://HOST[:PORT][/VHOST]` or `amqps://...`.</summary>
    /// <param name="mayHavePassword">Whether it is from a place that others can't read.</param>
    /// <exception cref="FormatException">It is not an address, or has a password where it must not have one.</exception>
    public static BrokerAddress Parse(string text, bool mayHavePassword)
    {
        if (!Uri.TryCreate(text.Trim(), UriKind.Absolute, out Uri? uri) || uri.Scheme is not ("amqp" or "amqps") || uri.Host.Length == 0)
            throw new FormatException("a broker's address, amqp://USER@HOST:5672/VHOST or amqps://...");
        if (!mayHavePassword && uri.UserInfo.Contains(':', StringComparison.Ordinal))
            throw new FormatException("an address without a password, which others could read here; brokerFile names a file that has one");
        return new BrokerAddress(uri);
    }

    /// <summary>The address in a file that only its owner may read.</summary>
    /// <exception cref="IOException">It can't be read, others may read it, or it has something else.</exception>
    public static BrokerAddress Read(string file)
    {
        string text = InputFile.ReadText(file, InputFile.MostSettingsBytes);
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(file) & Others) != 0)
            throw new FileException(file, "may be read by others, and has a password: chmod 600");
        try
        {
            return Parse(text, mayHavePassword: true);
        }
        catch (FormatException exception)
        {
            throw new FileException(file, "must have " + exception.Message);
        }
    }

    /// <summary>Factory of connections to it.</summary>
    /// <param name="name">What the broker's administrator sees.</param>
    /// <param name="authority">File of the certificate authority in PEM that an amqps broker's certificate is from; null: one of the
    /// system's.</param>
    internal ConnectionFactory Factory(string name, string? authority)
    {
        string[] user = _uri.UserInfo.Split(':', 2);
        var factory = new ConnectionFactory
        {
            HostName = _uri.Host,
            Port = Port,
            VirtualHost = _uri.AbsolutePath is "" or "/" ? "/" : Uri.UnescapeDataString(_uri.AbsolutePath[1..]),
            AutomaticRecoveryEnabled = false, // the worker and the gateway begin anew: what was under way is the broker's to give again
            ClientProvidedName = name,
            RequestedHeartbeat = TimeSpan.FromSeconds(15),
            RequestedConnectionTimeout = TimeSpan.FromSeconds(10),
            MaxInboundMessageBodySize = 4 * FleetJson.MostBytes, // what is too long is refused in words; still more ends the connection
        };
        if (user[0].Length > 0) factory.UserName = Uri.UnescapeDataString(user[0]);
        if (user.Length > 1) factory.Password = Uri.UnescapeDataString(user[1]);
        if (IsSecure)
            factory.Ssl =
                new SslOption(_uri.Host, enabled: true) { CertificateValidationCallback = authority is null ? null : Trusting(authority) };
        return factory;
    }

    private static RemoteCertificateValidationCallback Trusting(string file)
    {
        X509Certificate2Collection roots = [];
        try
        {
            roots.ImportFromPem(InputFile.ReadText(file, InputFile.MostSettingsBytes));
        }
        catch (CryptographicException exception)
        {
            throw new FileException(file, $"must be a certificate in PEM: {Printable.Line(exception.Message)}");
        }
        return (_, certificate, _, errors) =>
        {
            if (certificate is null || (errors & ~SslPolicyErrors.RemoteCertificateChainErrors) != 0) return false; // another host's
            using var chain = new X509Chain
            {
                ChainPolicy = { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck },
            };
            chain.ChainPolicy.CustomTrustStore.AddRange(roots);
            return chain.Build(new X509Certificate2(certificate));
        };
    }
}

/// <summary>A service's part in a fleet.</summary>
public enum FleetRole
{
    /// <summary>None: it computes for its own clients.</summary>
    None,

    /// <summary>It takes jobs from the broker, beside its own clients.</summary>
    Worker,

    /// <summary>It gives its clients' requests to the broker and computes nothing itself.</summary>
    Gateway,
}
