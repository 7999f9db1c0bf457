using System.CommandLine;
using System.Security.Cryptography;
using EdgeLlm.Cli.Inspect;
using EdgeLlm.Cli.Output;
using EdgeLlm.Cli.Pull;
using EdgeLlm.Gguf;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm pull`: gets a model from Hugging Face into the user's folder.</summary>
internal static class PullCommand
{
    private const string DefaultEndpoint = "https://huggingface.co";

    // A disk that is full to the last byte takes other programs down.
    private const long SpareDisk = 64_000_000;

    private static readonly Argument<string> Reference = new("repository")
    {
        Description = "OWNER/NAME for the best file for this machine's memory; OWNER/NAME:FILE, or :Q4_K_M and the like, for a certain one",
        HelpName = "REPO[:FILE]",
    };

    public static Command Create()
    {
        var command = new Command("pull", "Download a model from Hugging Face (HF_ENDPOINT, HF_TOKEN and proxies as usual). Goes on where it stopped; checks the checksum.") { Reference };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult result, CancellationToken cancellation)
    {
        var reference = RepositoryReference.Parse(result.GetValue(Reference)!);
        var timing = new PullTiming();
        using var hub = new HubClient(Variable("HF_ENDPOINT") ?? DefaultEndpoint, Variable("HF_TOKEN"), timing);
        var downloader = new Downloader(hub, reference.Repository, timing);
        IReadOnlyList<RemoteModel> models = RemoteModel.Of(reference.Repository, await downloader.ListAsync(Console.Error.WriteLine, cancellation).ConfigureAwait(false));
        if (models.Count == 0) throw new PullException($"{reference.Repository} has no GGUF file: look for a repository of the same model with GGUF in its name");
        ModelChoice choice = reference.File is { } file
            ? ModelChoice.Named(models, reference.Repository, file)
            : ModelChoice.BestFor(MachineMemory.Total, models, reference.Repository);
        Console.WriteLine(choice.Reason);
        choice.Model.RequireComplete();

        string folder = ModelStore.OfThisMachine().UserFolder;
        Directory.CreateDirectory(folder);
        RequireRoom(choice.Model, folder);
        try
        {
            foreach (RepositoryFile part in choice.Model.Files)
            {
                string path = Path.Combine(folder, part.Name);
                if (File.Exists(path)) await RequireSameAsync(part, path, choice.Model.Name, cancellation).ConfigureAwait(false);
                else await ByteProgress.RunAsync(Printable.Line(part.Name), part.Size, (at, say) => downloader.DownloadAsync(part, path, at, say, cancellation)).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            await Console.Error.WriteLineAsync("edgellm: stopped; the same command goes on from here").ConfigureAwait(false);
            throw;
        }
        Tell(choice.Model, Path.Combine(folder, choice.Model.Files[0].Name));
        return ExitCode.Success;
    }

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name)?.Trim() is { Length: > 0 } value ? value : null;

    private static void RequireRoom(RemoteModel model, string folder)
    {
        long needed = model.Files.Sum(file =>
        {
            string path = Path.Combine(folder, file.Name);
            var part = new FileInfo(PartFile.PartPath(path));
            return File.Exists(path) ? 0 : file.Size - (part.Exists ? Math.Min(part.Length, file.Size) : 0);
        });
        if (needed > 0 && FreeSpace.At(folder) is { } free && needed + SpareDisk > free)
            throw new PullException($"{folder}: {Quantity.Bytes(needed)} are still to come and only {Quantity.Bytes(free)} are free on this disk: `edgellm rm` removes a model");
    }

    /// <summary>A file that is there already has to be the one that was asked for.</summary>
    private static async Task RequireSameAsync(RepositoryFile file, string path, string model, CancellationToken cancellation)
    {
        bool same = new FileInfo(path).Length == file.Size;
        if (same && file.Sha256 is not null)
        {
            using FileStream stream = File.OpenRead(path);
            same = Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellation).ConfigureAwait(false)) == file.Sha256;
        }
        if (!same) throw new PullException($"{path} is there already and is another file: `edgellm rm {model}` makes room for this one");
        Console.WriteLine($"{Printable.Line(file.Name)} is here already.");
    }

    private static void Tell(RemoteModel model, string path)
    {
        string check = model.Files.All(file => file.Sha256 is not null) ? "checksum right" : "the repository states no checksum";
        Console.WriteLine($"{Printable.Line(path)} ({Quantity.Bytes(model.Size)}, {check})");
        try
        {
            using GgufFile file = GgufFile.Open(path);
            var plan = ModelPlan.Of(file, new ModelOptions());
            Console.WriteLine(plan.Problem is { } problem ? $"But it will not run: {Printable.Line(problem)}" : $"Run it: edgellm run --model {model.Name}");
        }
        catch (GgufException exception)
        {
            Console.WriteLine($"But it will not run: {Printable.Line(exception.Message)}");
        }
    }
}
