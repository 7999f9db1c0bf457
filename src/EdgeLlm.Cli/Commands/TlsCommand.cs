using System.CommandLine;
using EdgeLlm.Server.Tls;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm tls`: the certificate authority of a service with `tls: self`.</summary>
internal static class TlsCommand
{
    private static readonly Option<string?> State =
        new("--state") { Description = "The service's state folder, such as /var/lib/edgellm (default: this user's)", HelpName = "FOLDER" };

    public static Command Create()
    {
        var authority = new Command("ca",
            "Print the authority's certificate and its fingerprint: what devices have to trust. The service gives it as /ca.pem, too.") { State };
        authority.SetAction(result =>
        {
            (string pem, string fingerprint) =
                AuthorityFile.Read(result.GetValue(State) is { } state ? Path.Combine(state, "tls") : StateFolder.FileNamed("tls"));
            Console.WriteLine($"SHA-256 fingerprint: {fingerprint}");
            Console.Write(pem);
            return ExitCode.Success;
        });
        return new Command("tls", "The certificate of `edgellm serve --tls self`.") { authority };
    }
}
