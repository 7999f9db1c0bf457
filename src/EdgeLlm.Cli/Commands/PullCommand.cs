using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using EdgeLlm.Cli.Inspect;
using EdgeLlm.Cli.Output;
using EdgeLlm.Cli.Pull;
using EdgeLlm.Files;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Models.Folders;
using EdgeLlm.Models.Licences;
using EdgeLlm.Quantization;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm pull`: fetches a model from Hugging Face into the user's folder or the system's; lists good ones.</summary>
internal static class PullCommand
{
    internal const string DefaultEndpoint = "https://huggingface.co";

    // A disk that is full to the last byte takes other programs down.
    private const long SpareDisk = 64_000_000;

    private const UnixFileMode ReadableByAll = (UnixFileMode)0b110_100_100; // rw-r--r--
    private const UnixFileMode FolderForAll = (UnixFileMode)0b111_101_101; // rwxr-xr-x

    private static readonly Argument<string?> Reference = new("repository")
    {
        Description = "OWNER/NAME for the best file for this machine's memory; OWNER/NAME:FILE, or :Q4_K_M and the like, for a certain "
            + "one; @REVISION after the name for a branch, tag or commit; a repository of Whisper or Moonshine; or files of this "
            + "machine that hear or speak: the folder of a "
            + "recognizer, a voice or an adapter, a ggml file, Silero's ONNX, a wake word's JSON. Without it: a list of good small models",
        HelpName = "REPO[@REVISION][:FILE]",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Option<bool> ForSystem = new("--system")
    {
        Description = "Put it where the service and all users find it, /var/lib/edgellm/models (takes root)",
    };

    public static Command Create()
    {
        const string description = "Download a model from Hugging Face (HF_ENDPOINT, HF_TOKEN, `hf auth login` and proxies as usual). "
            + "Continues where it stopped; checks the checksum.";
        var command = new Command("pull", description) { Reference, ForSystem };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult result, CancellationToken cancellation)
    {
        if (result.GetValue(Reference) is not { } text)
        {
            ListRecommended();
            return ExitCode.Success;
        }
        bool forSystem = result.GetValue(ForSystem);
        if (VoiceWriter.IsVoice(text))
            return await TakeVoiceAsync(text, FolderFor(forSystem, text), forSystem, cancellation).ConfigureAwait(false);
        if (StoredAdapter.IsFolder(text)) return TakeAdapter(text, FolderFor(forSystem, text));
        if (SpeechPull.Takes(text))
            return await TakeSpeechAsync(text, FolderFor(forSystem, text), forSystem, cancellation).ConfigureAwait(false);
        if (SpeechPull.Known.FirstOrDefault(known => known.From == text && !text.Contains('/', StringComparison.Ordinal)) is { } local)
            throw new UsageException(
                $"{local.From}: is not in this folder, and pull takes it only from where it is on this machine; it {local.Does}");
        if (text.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase))
            throw new UsageException(
                $"{Printable.Line(text)}: Piper's voices (.onnx) do not run here yet; a voice is a folder such as voice-heart, with "
                    + "hibari.onnx in it");
        var reference = RepositoryReference.Parse(text);
        string folder = FolderFor(forSystem, text);
        var timing = new PullTiming();
        using var connection = new HubConnection(Variable("HF_ENDPOINT") ?? DefaultEndpoint, HubToken.Find(Variable), timing);
        var hub = new HubClient(connection, reference, timing);
        IReadOnlyList<RepositoryFile> files = await new Downloader(hub, timing, static line => Console.Error.WriteLine("edgellm: " + line))
            .ListAsync(cancellation).ConfigureAwait(false);
        if (RemoteModel.Of(reference.Repository, files).Count == 0 && StoredAdapter.FilesOf(files) is { Length: > 0 } adapter)
            return await GetAdapterAsync(adapter).ConfigureAwait(false);
        if (SpeechRepository.FilesOf(files, reference) is { Count: > 0 } recognizer)
        {
            await RequireLicenceAsync(hub, reference, cancellation).ConfigureAwait(false);
            RequireRoom(recognizer, folder);
            Console.WriteLine(await LicenceLineAsync(hub, cancellation).ConfigureAwait(false)); // before the download
            (IReadOnlyList<string> written, string use) = await SpeechRepository.TakeAsync(recognizer, reference, folder,
                (file, path) => ByteProgress.RunAsync(file.Name, file.Size, (at, say) => GetAsync(file, path, at, say)),
                cancellation).ConfigureAwait(false);
            TellSpeech(written, use, forSystem);
            return ExitCode.Success;
        }
        ModelChoice choice = Choose(reference, files);
        await RequireLicenceAsync(hub, reference, cancellation).ConfigureAwait(false);
        Console.WriteLine(choice.Reason);
        RemoteModel model = choice.Model;
        model.RequireComplete();
        RequireRoom(model.Files, folder);
        string removal = $"edgellm rm {(forSystem ? "--system " : "")}{ShellWord.Quote(model.Name)}";
        try
        {
            foreach (RepositoryFile part in model.Files)
            {
                string path = Path.Combine(folder, part.Name);
                if (File.Exists(path)) await RequireSameAsync(part, path, removal, cancellation).ConfigureAwait(false);
                else await ByteProgress.RunAsync(part.Name, part.Size, (at, say) => GetAsync(part, path, at, say)).ConfigureAwait(false);
                if (forSystem && !OperatingSystem.IsWindows()) File.SetUnixFileMode(path, ReadableByAll);
            }
        }
        catch (OperationCanceledException)
        {
            await Console.Error.WriteLineAsync("edgellm: stopped; the same command continues from here").ConfigureAwait(false);
            throw;
        }
        Tell(model, Path.Combine(folder, model.Files[0].Name), forSystem);
        return ExitCode.Success;

        async Task<int> GetAdapterAsync(RepositoryFile[] files)
        {
            await RequireLicenceAsync(hub, reference, cancellation).ConfigureAwait(false);
            string target = StoredAdapter.FolderOf(folder, reference.Repository.Split('/')[^1]);
            Directory.CreateDirectory(target);
            foreach (RepositoryFile file in files)
            {
                string path = Path.Combine(target, file.Name);
                if (File.Exists(path))
                    await RequireSameAsync(file, path, $"rm -r {ShellWord.Quote(target)}", cancellation).ConfigureAwait(false);
                else await ByteProgress.RunAsync(file.Name, file.Size, (at, say) => GetAsync(file, path, at, say)).ConfigureAwait(false);
            }
            return TellAdapter(target);
        }

        Task GetAsync(RepositoryFile file, string path, Action<long> at, Action<string> say) =>
            new Downloader(hub, timing, line => say("edgellm: " + line)).DownloadAsync(file, path, at, cancellation);
    }

    private static int TakeAdapter(string folder, string target)
    {
        LicencePolicy.Require(folder);
        return TellAdapter(StoredAdapter.Take(folder, target));
    }

    private static int TellAdapter(string path)
    {
        Console.WriteLine(Printable.Line(path));
        Console.WriteLine($"Use it: edgellm run --model MODEL --lora {ShellWord.Quote(path)}");
        return ExitCode.Success;
    }

    /// <summary>Packs a voice's folder to where models are.</summary>
    private static async Task<int> TakeVoiceAsync(string folder, string target, bool forSystem, CancellationToken cancellation)
    {
        string name = VoiceWriter.NameOf(folder), path = Path.Combine(target, name + ".gguf");
        OutputFile.Require(path, force: true, Directory.GetFiles(folder));
        await Task.Run(() => VoiceWriter.Write(folder, path), cancellation).ConfigureAwait(false);
        if (forSystem && !OperatingSystem.IsWindows()) File.SetUnixFileMode(path, ReadableByAll);
        Console.WriteLine(
            $"{Printable.Line(path)} ({Quantity.Bytes(new FileInfo(path).Length)}); it speaks: edgellm say --voice "
                + $"{ShellWord.Quote(Printable.Line(name))} \"Hello there.\"");
        return ExitCode.Success;
    }

    /// <summary>Takes a model that hears from files of this machine.</summary>
    private static async Task<int> TakeSpeechAsync(string source, string target, bool forSystem, CancellationToken cancellation)
    {
        (IReadOnlyList<string> files, string use) =
            await Task.Run(() => SpeechPull.Take(source, target, null, cancellation), cancellation).ConfigureAwait(false);
        TellSpeech(files, use, forSystem);
        return ExitCode.Success;
    }

    private static void TellSpeech(IReadOnlyList<string> files, string use, bool forSystem)
    {
        foreach (string path in files)
        {
            if (forSystem && !OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(path, ReadableByAll);
                File.SetUnixFileMode(Path.GetDirectoryName(path)!, FolderForAll);
            }
            Console.WriteLine($"{Printable.Line(path)} ({Quantity.Bytes(new FileInfo(path).Length)})");
        }
        Console.WriteLine(use);
    }

    /// <summary>The licence that a repository's card states, and whether it allows commercial use.</summary>
    private static async Task<string> LicenceLineAsync(HubClient hub, CancellationToken cancellation)
    {
        var keys = ModelCard.KeysOf(await hub.ReadCardAsync(cancellation).ConfigureAwait(false) ?? "")
            .ToDictionary(pair => pair.Key, pair => pair.Value.ToString());
        var licence = Licence.Of(keys.GetValueOrDefault("general.license", ""), keys.GetValueOrDefault("general.license.name", ""));
        string use = licence.Use switch
        {
            CommercialUse.Allowed => "commercial use allowed",
            CommercialUse.Forbidden => "no commercial use",
            CommercialUse.WithConditions => "commercial use with conditions",
            _ => "commercial use not stated",
        };
        return $"licence: {Printable.Line(licence.Text)}, {use}";
    }

    internal static string? Variable(string name) =>
        Environment.GetEnvironmentVariable(name)?.Trim() is { Length: > 0 } value ? value : null;

    private static void ListRecommended()
    {
        var recommended = RecommendedModels.Load();
        var report = new Report();
        report.Line($"Good small models to pull, which this version runs (a list of {recommended.Date}):");
        report.Line();
        string[] names = [.. recommended.Models.Select(model => ShellWord.Quote(model.Reference))];
        foreach ((RecommendedModel model, string name) in recommended.Models.Zip(names))
        {
            report.Line(
                $"  {name.PadRight(names.Max(other => other.Length))}  {model.Megabytes.ToString("F0", CultureInfo.InvariantCulture),4} MB");
            report.Paragraph($"{model.GoodFor} ({model.Licence}{(model.IsFree ? "" : "*")})", indent: 4);
        }
        report.Line();
        report.Line("Models that hear and speak (docs/listening.md, docs/speaking.md):");
        report.Line();
        foreach (SpeechModelEntry model in SpeechPull.Known)
        {
            string size = model.Megabytes is { } megabytes
                ? $"{megabytes.ToString(megabytes < 10 ? "0.##" : "F0", CultureInfo.InvariantCulture),4} MB" : "";
            report.Line($"  {model.From.PadRight(names.Max(other => other.Length))}  {size}".TrimEnd());
            report.Paragraph($"{model.Does} ({model.Licence})", indent: 4);
        }
        report.Line(
            "  Words of openWakeWord do not run here, and are not for commercial use; nor are Moonshine's models of other languages, "
                + "but for its streaming ones.");
        report.Line();
        foreach (RecommendedModel model in recommended.Models.Where(model => !model.IsFree))
            report.Line($"* {model.Licence}: commercial use {model.Commercial}");
        report.Line("Others with GGUF files: https://huggingface.co/models?library=gguf (Llama, Mistral, Qwen2 and StableLM 2 run)");
    }

    /// <summary>The folder into which the model goes, made where it is missing.</summary>
    private static string FolderFor(bool forSystem, string text)
    {
        var store = ModelStore.OfThisMachine();
        if (!forSystem)
        {
            if (Environment.IsPrivilegedProcess && Directory.Exists(store.SystemFolder))
            {
                Console.Error.WriteLine($"edgellm: goes into root's own folder {store.UserFolder}, where the service does not look: "
                    + $"--system puts it into {store.SystemFolder}");
            }
            try
            {
                Directory.CreateDirectory(store.UserFolder);
            }
            catch (Exception exception) when (FileException.IsFromFileSystem(exception))
            {
                throw new FileException(store.UserFolder,
                    $"this folder for models can't be made: {FileException.Describe(exception, writes: true)}");
            }
            return store.UserFolder;
        }
        try
        {
            if (!Directory.Exists(store.SystemFolder))
            {
                Directory.CreateDirectory(store.SystemFolder);
                if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(store.SystemFolder, FolderForAll);
            }
            // Better known before a gigabyte has come.
            string probe = Path.Combine(store.SystemFolder, ".edgellm-" + Path.GetRandomFileName());
            using (new FileStream(probe, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose)) { }
        }
        catch (UnauthorizedAccessException)
        {
            throw new PullException($"{store.SystemFolder} takes root to write: sudo edgellm pull --system {ShellWord.Quote(text)}");
        }
        catch (IOException)
        {
            throw new PullException($"{store.SystemFolder} can't be written to: is its disk mounted read-only?");
        }
        return store.SystemFolder;
    }

    /// <summary>The model of a repository that is meant.</summary>
    /// <param name="say">Receives lines about the progress.</param>
    internal static async Task<ModelChoice> ChooseAsync(
        HubClient hub, RepositoryReference reference, PullTiming timing, Action<string> say, CancellationToken cancellation)
    {
        return Choose(reference, await new Downloader(hub, timing, say).ListAsync(cancellation).ConfigureAwait(false));
    }

    private static ModelChoice Choose(RepositoryReference reference, IReadOnlyList<RepositoryFile> files)
    {
        string repository = reference.Repository;
        IReadOnlyList<RemoteModel> models = RemoteModel.Of(repository, files);
        if (models.Count == 0)
            throw new PullException($"{repository} has no GGUF file: look for a repository of the same model with GGUF in its name");
        return reference.File is { } file ? ModelChoice.Named(models, repository, file)
            : ModelChoice.BestFor(MachineMemory.Total, models, repository);
    }

    /// <summary>
    /// Where the machine's owner has a policy: what the repository's card states has to be allowed before anything is fetched.
    /// </summary>
    internal static async Task RequireLicenceAsync(HubClient hub, RepositoryReference reference, CancellationToken cancellation)
    {
        if (LicencePolicy.Current is null) return;
        var keys = ModelCard.KeysOf(await hub.ReadCardAsync(cancellation).ConfigureAwait(false) ?? "")
            .ToDictionary(pair => pair.Key, pair => pair.Value.ToString());
        LicencePolicy.Require(reference.Repository,
            Licence.Of(keys.GetValueOrDefault("general.license", ""), keys.GetValueOrDefault("general.license.name", "")));
    }

    /// <exception cref="PullException">The disk has no room for what is still to come.</exception>
    internal static void RequireRoom(IReadOnlyList<RepositoryFile> files, string folder)
    {
        long needed = files.Sum(file =>
        {
            string path = Path.Combine(folder, file.Name);
            var part = new FileInfo(PartFile.PartPath(path));
            return File.Exists(path) ? 0 : file.Size - (part.Exists ? Math.Min(part.Length, file.Size) : 0);
        });
        if (needed > 0 && FreeSpace.At(folder) is { } free && needed + SpareDisk > free)
        {
            throw new PullException($"{folder}: {Quantity.Bytes(needed)} are still to come and only {Quantity.Bytes(free)} are free on "
                + "this disk: `edgellm rm` removes a model");
        }
    }

    /// <summary>A file that is there already has to be the one that was asked for.</summary>
    private static async Task RequireSameAsync(RepositoryFile file, string path, string removal, CancellationToken cancellation)
    {
        if (new FileInfo(path) is { LinkTarget: not null } link && link.ResolveLinkTarget(returnFinalTarget: true) is not { Exists: true })
            throw new PullException($"{path} is a link that leads nowhere: remove it");
        bool same;
        using (FileStream stream = InputFile.Open(path))
        {
            same = stream.Length == file.Size;
            if (same && file.Sha256 is not null)
                same = Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellation).ConfigureAwait(false)) == file.Sha256;
        }
        if (!same)
        {
            throw new PullException($"{path} is there already and is another file: "
                + $"`{removal}` makes room for this one");
        }
        Console.WriteLine($"{file.Name} is here already.");
    }

    private static void Tell(RemoteModel model, string path, bool forSystem)
    {
        string check = model.Files.All(file => file.Sha256 is not null) ? "checksum right" : "the repository states no checksum";
        Console.WriteLine($"{Printable.Line(path)} ({Quantity.Bytes(model.Size)}, {check})");
        string name = ShellWord.Quote(model.Name);
        try
        {
            using GgufFile file = GgufFile.Open(path);
            var plan = ModelPlan.Of(file, new ModelOptions());
            if (plan.Refusal is { } problem) Console.WriteLine($"But it will not run: {Printable.Line(problem)}");
            else Console.WriteLine($"Run it: edgellm run --model {name}");
            if (forSystem && plan.Refusal is null)
                Console.WriteLine($"Serve it: \"model\": \"{model.Name}\" in /etc/edgellm/edgellm.json, then systemctl restart edgellm");
        }
        catch (GgufException exception)
        {
            Console.WriteLine($"But it will not run: {Printable.Line(exception.Message)}");
        }
    }
}
