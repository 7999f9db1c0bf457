using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using EdgeLlm.Server.Settings;
using EdgeLlm.Server.Tls;

namespace EdgeLlm.Server.Tests.Tls;

public sealed class TlsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm").FullName;

    private string State => Path.Combine(_folder, "tls");

    [Fact]
    public async Task With_tls_self_a_client_that_trusts_the_authority_is_answered()
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { TlsSelf = true, TlsFolder = State });
        Assert.Equal("https", server.Server.Address.Scheme);
        (string pem, string fingerprint) = AuthorityFile.Read(State);
        Assert.Matches("^([0-9A-F]{2}:){31}[0-9A-F]{2}$", fingerprint);
        using var authority = X509Certificate2.CreateFromPem(pem);
        using HttpClient client = ClientThatTrusts(authority, server.Server.Address);
        Assert.Contains("tiny", await client.GetStringAsync("/v1/models"), StringComparison.Ordinal);
        Assert.Equal(pem, await client.GetStringAsync("/ca.pem"));
        Assert.Contains("tiny",
            await client.GetStringAsync(new UriBuilder(server.Server.Address) { Host = "localhost", Path = "/v1/models" }.Uri),
            StringComparison.Ordinal);
        await Assert.ThrowsAsync<HttpRequestException>(() => server.Client.GetStringAsync("/v1/models")); // it does not trust the authority
        using var old =
            new HttpClient(
                new SocketsHttpHandler
                {
                    SslOptions = { EnabledSslProtocols = Tls11,
                    RemoteCertificateValidationCallback = (_, _, _, _) => true }
                })
            {
                BaseAddress = server.Server.Address,
            };
        await Assert.ThrowsAsync<HttpRequestException>(() => old.GetStringAsync("/v1/models"));
    }

    [Fact]
    public void The_folder_is_its_owners_alone_and_the_authority_stays()
    {
        using var first = new LocalAuthority(State, TimeProvider.System, () => ["pi", "pi.local", "192.168.1.7"]);
        using X509Certificate2 certificate = first.Certificate();
        Assert.All(new[] { "pi", "pi.local", "192.168.1.7" }, name => Assert.True(certificate.MatchesHostname(name)));
        Assert.False(certificate.MatchesHostname("evil.local"));
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(State));
            foreach (string file in Directory.GetFiles(State))
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        }
        using var second = new LocalAuthority(State, TimeProvider.System, () => ["pi"]);
        Assert.Equal(first.Pem, second.Pem);
        Assert.Equal(certificate.SerialNumber, second.Certificate().SerialNumber);
    }

    [Fact]
    public void The_certificate_is_renewed_30_days_before_its_end_and_when_an_address_comes()
    {
        var time = new Clock();
        List<string> names = ["pi"];
        using var authority = new LocalAuthority(State, time, () => names);
        X509Certificate2 first = authority.Certificate();
        time.Now = first.NotAfter.AddDays(-31);
        Assert.Same(first, authority.Certificate());
        time.Now = first.NotAfter.AddDays(-29);
        X509Certificate2 second = authority.Certificate();
        Assert.NotEqual(first.SerialNumber, second.SerialNumber);
        Assert.True(second.NotAfter > first.NotAfter.AddDays(300));
        names.Add("10.0.0.9");
        Assert.True(authority.Certificate().MatchesHostname("10.0.0.9"));
    }

    [Fact]
    public void A_machine_whose_clock_is_years_behind_makes_certificates_that_others_take()
    {
        using var authority =
            new LocalAuthority(State, new Clock { Now = new DateTimeOffset(1970, 1, 1, 0, 0, 5, TimeSpan.Zero) }, () => ["pi"]);
        X509Certificate2 certificate = authority.Certificate();
        Assert.InRange(DateTime.UtcNow, certificate.NotBefore.ToUniversalTime(), certificate.NotAfter.ToUniversalTime());
        Assert.InRange(DateTime.UtcNow, authority.Own.NotBefore.ToUniversalTime(), authority.Own.NotAfter.ToUniversalTime());
    }

    [Fact]
    public async Task Files_of_a_certificate_are_read_again_when_they_change()
    {
        (string certificate, string key) = MakeFiles();
        var time = new Clock();
        using var tls = new TlsCertificates(new ServerOptions { TlsCertificate = certificate, TlsKey = key },
            new ServerLog(TextWriter.Null, forJournal: false), time);
        string first = Serial();
        Assert.Equal(first, Serial());
        await Task.Delay(20);
        MakeFiles();
        Assert.Equal(first, Serial()); // looked at once a minute
        time.Now = time.Now.AddMinutes(2);
        string second = Serial();
        Assert.NotEqual(first, second);
        await File.WriteAllTextAsync(key, "oops");
        time.Now = time.Now.AddMinutes(2);
        Assert.Equal(second, Serial()); // what can't be read changes nothing
        Assert.Equal(SslProtocols.Tls12 | SslProtocols.Tls13, tls.Current().EnabledSslProtocols);

        string Serial() => tls.Current().ServerCertificateContext!.TargetCertificate.SerialNumber;
    }

    [Fact]
    public void What_is_wrong_is_told_with_its_setting_or_file()
    {
        (string certificate, string key) = MakeFiles();
        Assert.Contains("--tls-certificate is given without tlsKey", Refusal(("tlsCertificate", certificate)), StringComparison.Ordinal);
        Assert.Contains("--tls-key is given without tlsCertificate", Refusal(("tlsKey", key)), StringComparison.Ordinal);
        Assert.Contains("--tls is self, and there is a tlsCertificate",
            Refusal(("tls", "self"), ("tlsCertificate", certificate), ("tlsKey", key)), StringComparison.Ordinal);
        Assert.Contains("--tls takes self or off, not 'on'", Refusal(("tls", "on")), StringComparison.Ordinal);
        Assert.Contains("the path of a file that is there", Refusal(("tlsKey", "/nonexistent")), StringComparison.Ordinal);
        Assert.Contains(certificate + ": must be the private key", Opening(certificate, certificate), StringComparison.Ordinal);
        Assert.Contains(key + ": must be a certificate in PEM", Opening(key, key), StringComparison.Ordinal);
        Assert.Contains("is not there yet", Assert.ThrowsAny<IOException>(() => AuthorityFile.Read(State)).Message,
            StringComparison.Ordinal);
        Directory.CreateDirectory(State);
        File.WriteAllText(Path.Combine(State, "ca.pem"), "-----BEGIN CERTIFICATE-----\noops\n-----END CERTIFICATE-----\n");
        Assert.Contains("ca.pem: is not what edgellm wrote",
            Assert.ThrowsAny<IOException>(() => new LocalAuthority(State, TimeProvider.System)).Message, StringComparison.Ordinal);

        static string Refusal(params (string Name, string Value)[] given) =>
            Assert.Throws<ArgumentException>(() =>
                SettingsReader.Read(null, _ => null, given.ToDictionary(one => one.Name, one => one.Value))).Message;

        static string Opening(string certificate, string key) => Assert.ThrowsAny<IOException>(() =>
            new TlsCertificates(new ServerOptions { TlsCertificate = certificate, TlsKey = key },
                new ServerLog(TextWriter.Null, forJournal: false))).Message;
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

#pragma warning disable CA5397, SYSLIB0039 // that it is refused is the test
    private static SslProtocols Tls11 => SslProtocols.Tls11;
#pragma warning restore CA5397, SYSLIB0039

    private static HttpClient ClientThatTrusts(X509Certificate2 authority, Uri address) => new(new SocketsHttpHandler
    {
        SslOptions = new SslClientAuthenticationOptions
        {
            CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                CustomTrustStore = { authority },
                RevocationMode = X509RevocationMode.NoCheck
            },
        },
    })
    { BaseAddress = address };

    private (string Certificate, string Key) MakeFiles()
    {
        string folder = Path.Combine(_folder, Guid.NewGuid().ToString("N"));
        using (var authority = new LocalAuthority(folder, TimeProvider.System, () => ["pi"])) authority.Certificate().Dispose();
        (string certificate, string key) = (Path.Combine(_folder, "own.pem"), Path.Combine(_folder, "own-key.pem"));
        File.Copy(Path.Combine(folder, "server.pem"), certificate, overwrite: true);
        File.Copy(Path.Combine(folder, "server-key.pem"), key, overwrite: true);
        return (certificate, key);
    }

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UtcNow;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override DateTimeOffset GetUtcNow() => Now;

        public override long GetTimestamp() => Now.Ticks;
    }
}
