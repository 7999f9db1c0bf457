using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using EdgeLlm.Files;

namespace EdgeLlm.Server.Tls;

/// <summary>The certificate of a service's own authority, for the command line.</summary>
public static class AuthorityFile
{
    /// <summary>The certificate in PEM and its fingerprint (SHA-256, pairs of digits with colons).</summary>
    /// <param name="folder">The folder `tls` of the service's state.</param>
    /// <exception cref="IOException">There is none yet, or it can't be read.</exception>
    public static (string Pem, string Fingerprint) Read(string folder)
    {
        string path = Path.Combine(folder, LocalAuthority.AuthorityFile);
        if (FileStatus.Of(folder) is null)
            throw new FileException(folder, "is not there yet: a service with tls: self makes it when it starts");
        string pem = InputFile.ReadText(path, InputFile.MostSettingsBytes);
        try
        {
            using X509Certificate2 certificate = X509Certificate2.CreateFromPem(pem);
            return (certificate.ExportCertificatePem() + "\n", LocalAuthority.Fingerprint(certificate));
        }
        catch (CryptographicException)
        {
            throw new FileException(path, "is not a certificate in PEM");
        }
    }
}
