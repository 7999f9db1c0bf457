using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using EdgeLlm.Files;

namespace EdgeLlm.Server.Tls;

/// <summary>
/// A certificate authority of this machine alone, in a folder that only its owner may enter, and the certificate that it gives the service:
/// for the host's name, NAME.local, localhost and all addresses. ECDSA on P-256. People who trust the authority once need not be asked
/// again when the certificate is renewed.
/// </summary>
internal sealed class LocalAuthority : IDisposable
{
    /// <summary>File of the authority's certificate.</summary>
    public const string AuthorityFile = "ca.pem";

    private const string AuthorityKeyFile = "ca-key.pem", CertificateFile = "server.pem", KeyFile = "server-key.pem";
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private static readonly TimeSpan AuthorityLife = TimeSpan.FromDays(20 * 365), Life = TimeSpan.FromDays(397),
        Renewal = TimeSpan.FromDays(30);

    // A Pi has no clock of its own: at its first start it may be years behind. A certificate must not begin after the time that clients
    // have.
    private static readonly DateTimeOffset LeastBegin = new(2025, 1, 1, 0, 0, 0, TimeSpan.Zero),
        LeastNow = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly string _folder;
    private readonly TimeProvider _time;
    private readonly Func<IReadOnlyList<string>> _names;
    private readonly ECDsa _key;
    private X509Certificate2? _certificate;

    /// <summary>Opens the authority of a folder, or makes it.</summary>
    /// <param name="names">Names and addresses of this machine; null: as the system tells.</param>
    /// <exception cref="IOException">The folder or a file can't be read or written.</exception>
    public LocalAuthority(string folder, TimeProvider time, Func<IReadOnlyList<string>>? names = null)
    {
        (_folder, _time, _names) = (folder, time, names ?? NamesOfThisMachine);
        try
        {
            if (OperatingSystem.IsWindows()) Directory.CreateDirectory(folder);
            else Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception exception) when (FileException.IsFromFileSystem(exception))
        {
            throw FileException.Writing(folder, exception);
        }
        (Own, _key) = File.Exists(PathOf(AuthorityFile)) ? Read(AuthorityFile, AuthorityKeyFile) : MakeAuthority();
    }

    /// <summary>The authority's certificate.</summary>
    public X509Certificate2 Own { get; }

    /// <summary>The authority's certificate in PEM.</summary>
    public string Pem => Own.ExportCertificatePem() + "\n";

    private DateTimeOffset Now => _time.GetUtcNow() is var now && now > LeastNow ? now : LeastNow;

    /// <summary>SHA-256 of a certificate, as people compare it: pairs of digits with colons.</summary>
    public static string Fingerprint(X509Certificate2 certificate) =>
        string.Join(':', certificate.GetCertHash(HashAlgorithmName.SHA256).Select(one => one.ToString("X2", null)));

    /// <summary>
    /// The service's certificate with its key: the present one, or a new one where that ends within 30 days or lacks a name.
    /// </summary>
    /// <exception cref="IOException">It can't be read or written.</exception>
    public X509Certificate2 Certificate()
    {
        IReadOnlyList<string> names = _names();
        if (_certificate is null && File.Exists(PathOf(CertificateFile)) && File.Exists(PathOf(KeyFile)))
        {
            (X509Certificate2 read, ECDsa key) = Read(CertificateFile, KeyFile);
            _certificate = read.CopyWithPrivateKey(key);
        }
        if (_certificate is { } present && present.NotAfter - Now > Renewal && present.NotBefore <= _time.GetUtcNow() && IsOurs(present)
            && names.All(name => present.MatchesHostname(name, allowCommonName: false)))
            return present;
        return _certificate = Make(names);
    }

    public void Dispose() => _key.Dispose();

    /// <summary>Host name, NAME.local, localhost, and the addresses of all interfaces.</summary>
    private static List<string> NamesOfThisMachine()
    {
        string host = Environment.MachineName.ToLowerInvariant();
        var names = new List<string> { "localhost", "127.0.0.1", "::1" };
        if (host.Length is > 0 and < 64 && host.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.'))
        {
            names.Add(host);
            if (!host.Contains('.', StringComparison.Ordinal)) names.Add(host + ".local");
        }
        try
        {
            names.AddRange(NetworkInterface.GetAllNetworkInterfaces().SelectMany(one => one.GetIPProperties().UnicastAddresses)
                .Select(one => one.Address).Where(address => !IPAddress.IsLoopback(address) && !address.IsIPv6LinkLocal)
                .Select(address => address.ToString()).Order(StringComparer.Ordinal));
        }
        catch (Exception exception) when (exception is NetworkInformationException or SocketException)
        {
            // A sandbox that does not tell of interfaces: names have to do.
        }
        return [.. names.Distinct()];
    }

    private bool IsOurs(X509Certificate2 certificate) => certificate.IssuerName.RawData.AsSpan().SequenceEqual(Own.SubjectName.RawData);

    private (X509Certificate2, ECDsa) MakeAuthority()
    {
        ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        // Its own number in the name: an authority that was made anew is another one to those who trusted the old.
        var request =
            new CertificateRequest($"CN=EdgeLlm {Environment.MachineName} {Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4))}",
                key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(
            new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true,
                pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(
            new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        using X509Certificate2 made = request.CreateSelfSigned(LeastBegin, Now + AuthorityLife);
        Write(AuthorityKeyFile, key.ExportPkcs8PrivateKeyPem());
        Write(AuthorityFile, made.ExportCertificatePem());
        return (X509CertificateLoader.LoadCertificate(made.RawData), key);
    }

    private X509Certificate2 Make(IReadOnlyList<string> names)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request =
            new CertificateRequest(
                $"CN={names.FirstOrDefault(name => name != "localhost" && !IPAddress.TryParse(name, out _)) ?? "localhost"}", key,
                HashAlgorithmName.SHA256);
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (string name in names)
        {
            if (IPAddress.TryParse(name, out IPAddress? address)) alternatives.AddIpAddress(address);
            else alternatives.AddDnsName(name);
        }
        request.CertificateExtensions.Add(alternatives.Build());
        request.CertificateExtensions.Add(
            new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false,
                pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(ServerAuthentication)], critical: false));
        request.CertificateExtensions.Add(
            X509AuthorityKeyIdentifierExtension.CreateFromCertificate(Own, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        byte[] serial = RandomNumberGenerator.GetBytes(16);
        serial[0] &= 0x7F; // positive (RFC 5280 4.1.2.2)
        DateTimeOffset begin = _time.GetUtcNow().AddDays(-1), end = Now + Life;
        if (begin < LeastBegin || begin > end) begin = LeastBegin;
        using X509Certificate2 made = request.Create(Own.SubjectName, X509SignatureGenerator.CreateForECDsa(_key), begin,
            end < Own.NotAfter ? end : Own.NotAfter, serial);
        Write(KeyFile, key.ExportPkcs8PrivateKeyPem());
        Write(CertificateFile, made.ExportCertificatePem());
        return made.CopyWithPrivateKey(key);
    }

    private (X509Certificate2, ECDsa) Read(string certificateFile, string keyFile)
    {
        string file = PathOf(certificateFile);
        try
        {
            X509Certificate2 certificate = X509Certificate2.CreateFromPem(InputFile.ReadText(file, InputFile.MostSettingsBytes));
            file = PathOf(keyFile);
            ECDsa key = ECDsa.Create();
            key.ImportFromPem(InputFile.ReadText(file, InputFile.MostSettingsBytes));
            return (certificate, key);
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            throw new FileException(file,
                $"is not what edgellm wrote ({Printable.Line(exception.Message)}): remove the folder {_folder}, and clients have to "
                    + "trust the new authority");
        }
    }

    private void Write(string name, string pem) => AtomicFile.Write(PathOf(name), file =>
    {
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(file.SafeFileHandle, OwnerOnly);
        file.Write(Encoding.ASCII.GetBytes(pem + "\n"));
    });

    private string PathOf(string name) => Path.Combine(_folder, name);
}
