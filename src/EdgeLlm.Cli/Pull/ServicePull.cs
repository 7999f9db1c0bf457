using EdgeLlm.Cli.Commands;
using EdgeLlm.Server.Library;

namespace EdgeLlm.Cli.Pull;

/// <summary>A pull that a client of the service asks for.</summary>
internal static class ServicePull
{
    /// <summary>Fetches a model into a folder.</summary>
    /// <returns>Its name.</returns>
    /// <exception cref="ArgumentException">The name is not one of Hugging Face, with the way to one that is.</exception>
    /// <exception cref="IOException">It can't be had, or not be written.</exception>
    public static async Task<string> RunAsync(string name, string folder, Action<PullProgress> report, Action<string> say,
        CancellationToken cancellation)
    {
        RepositoryReference reference;
        try
        {
            reference = RepositoryReference.Parse(name);
        }
        catch (UsageException exception)
        {
            throw new ArgumentException(exception.Message, exception);
        }
        Directory.CreateDirectory(folder);
        var timing = new PullTiming();
        using var connection = new HubConnection(PullCommand.Variable("HF_ENDPOINT") ?? PullCommand.DefaultEndpoint,
            HubToken.Find(PullCommand.Variable), timing);
        var hub = new HubClient(connection, reference, timing);
        RemoteModel model = (await PullCommand.ChooseAsync(hub, reference, timing, say, cancellation).ConfigureAwait(false)).Model;
        await PullCommand.RequireLicenceAsync(hub, reference, cancellation).ConfigureAwait(false);
        model.RequireComplete();
        PullCommand.RequireRoom(model.Files, folder);
        foreach (RepositoryFile part in model.Files)
        {
            string path = Path.Combine(folder, part.Name);
            if (File.Exists(path)) continue;
            await new Downloader(hub, timing, say)
                .DownloadAsync(part, path, bytes => report(new PullProgress(part.Name, part.Sha256, part.Size, bytes)), cancellation)
                .ConfigureAwait(false);
        }
        return model.Name;
    }
}
