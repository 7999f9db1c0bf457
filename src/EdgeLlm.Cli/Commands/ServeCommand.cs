using System.CommandLine;
using EdgeLlm.Cli.Inspect;
using EdgeLlm.Cli.Pull;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Server;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm serve`: the model as a service. Its options are the settings of <see cref="Setting.All"/>, which the file and the environment have too.</summary>
internal static class ServeCommand
{
    private static readonly Option<string?> Config = new("--config")
    {
        Description = $"A file of settings, JSON with comments (default: {SettingsReader.DefaultFile} where that exists). EDGELLM_LISTEN and so on in the environment count more, options here most",
        HelpName = "FILE",
    };

    public static Command Create()
    {
        Dictionary<string, Option<string?>> options = Setting.All.Where(setting => !setting.IsSecret).ToDictionary(setting => setting.Name, OptionOf);
        var check = new Option<bool>("--check") { Description = "Only check the settings and the model's header" };
        var command = new Command("serve", "Serve a model to programs (OpenAI's and Ollama's APIs) and to people (a page at /).") { Config, check };
        foreach (Option<string?> option in options.Values) command.Options.Add(option);
        command.SetAction(async (result, cancellation) =>
        {
            var given = new Dictionary<string, string>();
            foreach ((string name, Option<string?> option) in options)
            {
                if (result.GetValue(option) is { } value) given[name] = value;
            }
            ServerOptions settings = ReadSettings(result.GetValue(Config), given);
            ServedModel model = DescribeOwn(MissingModel.PathOf(settings.Model), settings);
            if (result.GetValue(check))
            {
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
            settings = settings with { IdentityFolder = FolderOf(settings, "identities"), CacheFolder = FolderOf(settings, "cache") };
            await using var server = new ModelServer(settings, new ServedModels(model, () => OthersOf(settings), (path, name) => Describe(path, name, settings)));
            await server.RunAsync(cancellation).ConfigureAwait(false);
            return ExitCode.Success;
        });
        return command;
    }

    private static string FolderOf(ServerOptions settings, string name) => settings.StateDirectory is { } state ? Path.Combine(state, name) : StateFolder.FileNamed(name);

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

    /// <summary>The service's own model, which has to run; without a name from the settings, it has its file's.</summary>
    private static ServedModel DescribeOwn(string path, ServerOptions settings)
    {
        using GgufFile file = ModelFile.Open(path);
        ModelPlan plan = PlanOf(file, settings, settings.ChatTemplate);
        if (plan.Model is { } model) LanguageModel.RequireGenerating(model, path);
        if (plan.Refusal is { } refusal) throw new ModelException(path, refusal);
        foreach (string note in plan.Notes) Console.Error.WriteLine($"edgellm: {Printable.Line(path)}: {note}");
        return Describe(file, plan, settings.Name ?? NameOf(path)) with { ChatTemplate = settings.ChatTemplate ?? ModelLoader.ReadChatTemplate(file) };
    }

    /// <summary>Another model that is offered; whether it fits is seen when it is asked for.</summary>
    private static ServedModel Describe(string path, string name, ServerOptions settings)
    {
        using GgufFile file = ModelFile.Open(path);
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

    /// <summary>What clients call the model of a path: a name without spaces.</summary>
    private static string NameOf(string path) => string.Concat(ModelStore.NameOf(path).Select(c => c is > ' ' and < (char)127 and not '"' and not '\\' ? c : '-'));

    private static ModelPlan PlanOf(GgufFile file, ServerOptions settings, string? chatTemplate) => ModelPlan.Of(
        file, new ModelOptions { ContextLength = settings.Context, CacheType = settings.CacheType, ChatTemplate = chatTemplate, OtherBytes = ServerOptions.ServiceBytes });

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
