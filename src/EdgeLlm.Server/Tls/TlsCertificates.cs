using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using EdgeLlm.Files;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Tls;

/// <summary>
/// The certificate that the service shows: one of files, read again when they change (as certbot changes them), or one of its own
/// authority, made anew 30 days before its end or when the machine has another name or address. Neither takes a restart. Calls may come
/// from any thread.
/// </summary>
internal sealed class TlsCertificates : IDisposable
{
    /// <summary>Versions that are spoken: older ones have known weaknesses.</summary>
    private const SslProtocols Versions = SslProtocols.Tls12 | SslProtocols.Tls13;

    private static readonly TimeSpan LookInterval = TimeSpan.FromMinutes(1);

    private readonly ServerOptions _options;
    private readonly ServerLog _log;
    private readonly TimeProvider _time;
    private readonly LocalAuthority? _authority;
    private readonly Lock _gate = new();
    private SslServerAuthenticationOptions _current;
    private object? _state; // of what the present one was made
    private long _looked;

    /// <exception cref="IOException">A file can't be read or written, or is not what it should be.</exception>
    public TlsCertificates(ServerOptions options, ServerLog log, TimeProvider? time = null)
    {
        (_options, _log, _time) = (options, log, time ?? TimeProvider.System);
        RequireLibrary();
        if (options.TlsSelf)
            _authority =
                new LocalAuthority(options.TlsFolder ?? throw new FileException("tls", "self needs a state folder (setting state)"), _time);
        _current = Read();
        _looked = _time.GetTimestamp();
    }

    /// <summary>The own authority's certificate in PEM; null: the certificate is one of files.</summary>
    public string? Authority => _authority?.Pem;

    /// <summary>Whether the settings ask for TLS.</summary>
    public static bool IsWanted(ServerOptions options) => options.TlsSelf || options.TlsCertificate is not null;

    /// <summary>Current options for answering connections.</summary>
    public SslServerAuthenticationOptions Current()
    {
        if (_time.GetElapsedTime(Volatile.Read(ref _looked)) < LookInterval) return Volatile.Read(ref _current);
        lock (_gate)
        {
            if (_time.GetElapsedTime(_looked) < LookInterval) return _current;
            try
            {
                Volatile.Write(ref _current, Read());
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or CryptographicException)
            {
                _log.Error($"the TLS certificate stays as it was: {exception.Message}");
            }
            Volatile.Write(ref _looked, _time.GetTimestamp());
            return _current;
        }
    }

    public void Dispose() => _authority?.Dispose();

    private SslServerAuthenticationOptions Read()
    {
        object? now = _authority is not null ? null
            : (FileStatus.Of(_options.TlsCertificate!)?.Stamp, FileStatus.Of(_options.TlsKey!)?.Stamp);
        X509Certificate2Collection chain = [];
        X509Certificate2 certificate;
        if (_authority is not null)
        {
            certificate = _authority.Certificate();
            now = certificate;
            chain.Add(_authority.Own);
        }
        else if (_state is not null && now!.Equals(_state)) return _current;
        else certificate = ReadFiles(_options.TlsCertificate!, _options.TlsKey!, chain);
        if (ReferenceEquals(now, _state)) return _current;
        if (_state is not null) _log.Info($"a new TLS certificate is in use, until {certificate.NotAfter:yyyy-MM-dd}");
        if (certificate.NotAfter < _time.GetUtcNow())
            _log.Warning($"the TLS certificate ended on {certificate.NotAfter:yyyy-MM-dd}: clients will not take it");
        _state = now;
        return new SslServerAuthenticationOptions
        {
            EnabledSslProtocols = Versions,
            ServerCertificateContext = SslStreamCertificateContext.Create(certificate, chain, offline: true),
            ApplicationProtocols = [SslApplicationProtocol.Http11],
        };
    }

    private static X509Certificate2 ReadFiles(string certificateFile, string keyFile, X509Certificate2Collection chain)
    {
        string pem = InputFile.ReadText(certificateFile, InputFile.MostSettingsBytes),
            key = InputFile.ReadText(keyFile, InputFile.MostSettingsBytes);
        try
        {
            chain.ImportFromPem(pem);
            if (chain.Count == 0) throw new CryptographicException("it has no certificate");
        }
        catch (CryptographicException exception)
        {
            throw new FileException(certificateFile,
                $"must be a certificate in PEM, with those that lead to its authority after it: {Printable.Line(exception.Message)}");
        }
        try
        {
            return X509Certificate2.CreateFromPem(pem, key);
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            throw new FileException(keyFile,
                $"must be the private key of {certificateFile} in PEM, without a password: {Printable.Line(exception.Message)}");
        }
    }

    /// <summary>.NET ends the process where OpenSSL is missing; that should be a line.</summary>
    private static void RequireLibrary()
    {
        if (!OperatingSystem.IsLinux()) return;
        foreach (string name in new[] { "libssl.so.3", "libssl.so.1.1", "libssl.so" })
        {
            if (System.Runtime.InteropServices.NativeLibrary.TryLoad(name, out _)) return;
        }
        throw new FileException("libssl.so.3", "is not on this machine, and TLS takes it: sudo apt install libssl3");
    }
}
