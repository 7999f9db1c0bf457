using System.CommandLine;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Cli.Assistant;
using EdgeLlm.Cli.Inspect;
using EdgeLlm.Cli.Pull;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Models.Licences;
using EdgeLlm.Server;
using EdgeLlm.Server.Library;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Settings;
using EdgeLlm.Speech;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Cli.Commands;

/// <summary>
/// `edgellm serve`: the model as a service. Its options are the settings of <see cref="Setting.All"/>, which the file and the environment
/// have too.
/// </summary>
internal static class ServeCommand
{
    private static readonly Option<string?> Config = new("--config")
    {
        Description =
            $"A file of settings, JSON with comments (default: {SettingsReader.DefaultFile} where that exists). EDGELLM_LISTEN and so on "
                + "in the environment count more, options here most",
        HelpName = "FILE",
    };

    private static readonly Option<bool> Worker =
        new("--worker") { Description = "Take jobs from the fleet's broker, too: as --fleet worker" };
    private static readonly Option<bool> WithAssistant = new("--assistant")
    {
        Description =
            $"Run the assistant of {AssistantSettings.DefaultFile} in this process, too, for a workstation; the page is /assistant (the "
                + "package has a service of its own for it)",
    };
    private static readonly Option<bool> SimulatesAssistant =
        new("--simulate") { Description = "With --assistant: on simulated devices, without a microphone or a speaker" };
    private static readonly Option<bool> Gateway =
        new("--gateway") { Description = "Give requests to the fleet's workers: as --fleet gateway" };

    public static Command Create()
    {
        Dictionary<string, Option<string?>> options = Setting.All.Where(setting => !setting.IsSecret && !setting.IsOfOthers
            && setting.Name is not ("lora" or "controlVector")).ToDictionary(setting => setting.Name, OptionOf);
        var check = new Option<bool>("--check") { Description = "Only check the settings and the model's header" };
        var command =
            new Command("serve", "Serve a model to programs (OpenAI's and Ollama's APIs) and to people (a page at /).") { Config, check };
        foreach (Option<string?> option in options.Values) command.Options.Add(option);
        command.Options.Add(Worker);
        command.Options.Add(Gateway);
        command.Options.Add(WithAssistant);
        command.Options.Add(SimulatesAssistant);
        Option<string[]> lora = SeveralOf("lora"), vectors = SeveralOf("controlVector");
        command.Options.Add(lora);
        command.Options.Add(vectors);
        command.SetAction(async (result, cancellation) =>
        {
            var given = new Dictionary<string, string>();
            foreach ((string name, Option<string?> option) in options)
            {
                if (result.GetValue(option) is { } value) given[name] = value;
            }
            if (result.GetValue(SimulatesAssistant) && !result.GetValue(WithAssistant))
                throw new UsageException("--simulate is for --assistant");
            if (result.GetValue(Worker) && result.GetValue(Gateway))
                throw new UsageException("--worker and --gateway: a service is one of them");
            if (result.GetValue(Worker)) given["fleet"] = "worker";
            if (result.GetValue(Gateway)) given["fleet"] = "gateway";
            foreach (Option<string[]> option in new[] { lora, vectors })
            {
                if (result.GetValue(option) is { Length: > 0 } values)
                    given[option == lora ? "lora" : "controlVector"] = string.Join(',', values);
            }
            ServerOptions settings = ReadSettings(result.GetValue(Config), given);
            if (settings.Draft is { } draft) settings = settings with { Draft = MissingModel.PathOf(draft) };
            settings = settings with { SpeechBytes = SpeechBytesOf(settings) };
            ServedModel model = DescribeAllowed(settings);
            if (result.GetValue(check))
            {
                if (settings.KeysFile is { } keys) KeyFile.Read(keys);
                Console.WriteLine($"{model.Name} ({model.Path}) on {settings.Listen}");
                return ExitCode.Success;
            }
            settings = settings with
            {
                Threads = ThreadChoice.AtMostProcessors(settings.Threads, "threads") ?? 0,
                DecodeThreads = ThreadChoice.AtMostProcessors(settings.DecodeThreads, "decodeThreads") ?? 0,
            };
            if (settings is { Threads: 0, DecodeThreads: 0 } && ThreadChoice.Remembered is { } measured)
                settings = settings with { Threads = measured.Prompt, DecodeThreads = measured.Decode };
            settings = settings with
            {
                IdentityFolder = FolderOf(settings, "identities"),
                CacheFolder = FolderOf(settings, "cache"),
                TlsFolder = FolderOf(settings, "tls"),
                FleetFolder = FolderOf(settings, "fleet"),
            };
            settings = settings with { Entries = EntriesOf(settings) };
            await using ServedAssistant? assistant = result.GetValue(WithAssistant)
                ? ServedAssistant.Start(result.GetValue(SimulatesAssistant), settings.Threads) : null;
            settings = settings with
            {
                AssistantSocket = assistant?.Socket ?? settings.AssistantSocket ?? (File.Exists(ServedAssistant.UsualSocket)
                    || Directory.Exists("/run/edgellm-assistant") ? ServedAssistant.UsualSocket : null),
            };
            await using var server =
                new ModelServer(settings, new ServedModels(model, () => OthersOf(settings), (path, name) => Describe(path, name, settings))
                {
                    Library = LibraryOf(ModelStore.OfThisMachine()),
                });
            await server.RunAsync(cancellation).ConfigureAwait(false);
            return ExitCode.Success;
        });
        return command;
    }

    private static string FolderOf(ServerOptions settings, string name) =>
        settings.StateDirectory is { } state ? Path.Combine(state, name) : StateFolder.FileNamed(name);

    private static ServerOptions ReadSettings(string? file, Dictionary<string, string> given)
    {
        try
        {
            _ = EdgeLlm.Kernels.Kernel.Best; // the one that EDGELLM_KERNEL names
            return SettingsReader.Read(file, Environment.GetEnvironmentVariable, given);
        }
        catch (ArgumentException exception)
        {
            throw new UsageException(exception.Message);
        }
    }

    private static Option<string?> OptionOf(Setting setting)
    {
        var option = new Option<string?>(setting.OptionName) { Description = setting.Description, HelpName = setting.ValueName };
        if (setting.Name == "model") option.Aliases.Add("-m");
        return option;
    }

    /// <summary>The option of a setting that may be given several times.</summary>
    private static Option<string[]> SeveralOf(string name)
    {
        Setting setting = Setting.All.First(setting => setting.Name == name);
        return new Option<string[]>(setting.OptionName) { Description = setting.Description, HelpName = setting.ValueName };
    }

    /// <summary>Entries of the settings with the paths of their models.</summary>
    private static List<ModelEntry> EntriesOf(ServerOptions settings)
    {
        ModelStore store = ModelStore.OfThisMachine();
        return [.. settings.Entries.Select(entry => entry.Model is { } model
            ? entry with { Model = Path.GetFullPath(store.Find(model)?.Path ?? model) } : entry)];
    }

    /// <summary>
    /// The service's own model; where the machine's policy refuses it for its licence, the first other one that it allows.
    /// </summary>
    private static ServedModel DescribeAllowed(ServerOptions settings)
    {
        string path = MissingModel.PathOf(settings.Model);
        try
        {
            return DescribeOwn(path, settings);
        }
        catch (ModelException exception) when (LicenceRefusal.Is(exception))
        {
            foreach ((string _, string other) in OthersOf(settings).Where(one => Path.GetFullPath(one.Path) != Path.GetFullPath(path)))
            {
                try
                {
                    ServedModel model = DescribeOwn(other, settings);
                    Console.Error.WriteLine(Printable.Line($"edgellm: {exception.Message}"));
                    return model;
                }
                catch (Exception refused) when (refused is ModelException or GgufException or IOException)
                {
                    // Not this one either.
                }
            }
            throw;
        }
    }

    /// <summary>The service's own model, which has to run; without a name from the settings, it has its file's.</summary>
    private static ServedModel DescribeOwn(string path, ServerOptions settings)
    {
        using GgufFile file = ModelFile.Open(path);
        LicencePolicy.Require(file);
        ModelPlan plan = PlanOf(file, settings, settings.ChatTemplate);
        if (plan.Model is { } model) LanguageModel.RequireGenerating(model, path);
        if (plan.Refusal is { } refusal) throw new ModelException(path, refusal);
        foreach (string note in plan.Notes) Console.Error.WriteLine($"edgellm: {Printable.Line(path)}: {note}");
        return Describe(file, plan, settings.Name ?? NameOf(path)) with
        {
            ChatTemplate = settings.ChatTemplate ?? ModelLoader.ReadChatTemplate(file),
        };
    }

    /// <summary>Another model that is offered; whether it fits is seen when it is asked for.</summary>
    private static ServedModel Describe(string path, string name, ServerOptions settings)
    {
        using GgufFile file = ModelFile.Open(path);
        LicencePolicy.Require(file);
        return Describe(file, PlanOf(file, settings, null).RequireRunnable(path), name);
    }

    /// <summary>Names and paths of the other models: those that the settings name, else those of the folders.</summary>
    private static IEnumerable<(string Name, string Path)> OthersOf(ServerOptions settings)
    {
        ModelStore store = ModelStore.OfThisMachine();
        if (settings.Models is null) return store.Models().Select(model => (NameOf(model.Path), Path.GetFullPath(model.Path)));
        return settings.Models.Select(one =>
        {
            string path = Path.GetFullPath(store.Find(one)?.Path ?? one);
            return (NameOf(path), path);
        });
    }

    /// <summary>
    /// The folder of models that clients make and pull: the system's where this process may write there, else the user's.
    /// </summary>
    internal static ModelLibrary LibraryOf(ModelStore store)
    {
        string folder = MayWrite(store.SystemFolder) ? store.SystemFolder : store.UserFolder;
        return new ModelLibrary(folder)
        {
            Pull = (name, report, cancellation) => ServicePull.RunAsync(name, folder, report,
                static line => Console.Error.WriteLine("edgellm: " + line), cancellation),
        };
    }

    /// <summary>
    /// Memory that the model that hears and the voice take, where the settings name them. A model that hears and can't be opened is refused
    /// now.
    /// </summary>
    private static long SpeechBytesOf(ServerOptions settings)
    {
        long voice = settings.Voice is null ? 0 : SpeechSynthesizer.WorkingBytes;
        if (settings.SpeechModel is not { } model) return voice;
        return voice + SpeechPlan.Of(ModelStore.OfThisMachine().PathOf(model), new SpeechOptions { Threads = settings.Threads }).Working;
    }

    private static bool MayWrite(string folder)
    {
        if (!Directory.Exists(folder)) return false;
        try
        {
            using (new FileStream(Path.Combine(folder, ".edgellm-" + Path.GetRandomFileName()), FileMode.CreateNew, FileAccess.Write,
                FileShare.None, 1, FileOptions.DeleteOnClose)) { }
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Name by which clients call the model of a path, without spaces.</summary>
    private static string NameOf(string path) =>
        string.Concat(ModelStore.NameOf(path).Select(c => c is > ' ' and < (char)127 and not '"' and not '\\' ? c : '-'));

    private static ModelPlan PlanOf(GgufFile file, ServerOptions settings, string? chatTemplate) => ModelPlan.Of(
        file, new ModelOptions
        {
            ContextLength = settings.Context,
            CacheType = settings.CacheType,
            ChatTemplate = chatTemplate,
            OtherBytes = ServerOptions.ServiceBytes + settings.SpeechBytes,
            PlansForms = true
        });

    private static ServedModel Describe(GgufFile file, ModelPlan plan, string name) =>
        new(
            name,
            Path.GetFullPath(file.Path),
            file.Metadata.GetString("general.architecture", null) ?? "unknown",
            TypeShare.Of(file).Sum(share => share.Parameters),
            Inspect.Quantization.Of(file) ?? "unknown",
            file.FileSize,
            File.GetLastWriteTimeUtc(file.Path))
        {
            Metadata = InspectJson.ShortMetadata(file),
            ContextLength = plan.Memory?.ContextLength ?? 0,
            ChatTemplate = ModelLoader.ReadChatTemplate(file),
            IsEncoder = plan.Model?.IsEncoder == true,
        };
}
