using EdgeLlm.Files;
using EdgeLlm.HuggingFace;

namespace EdgeLlm.Models;

/// <summary>
/// The models on this machine: in the user's folder, into which `edgellm pull` writes and from which `edgellm rm` removes, in the system's,
/// and beside the program. A model's name is its file's name without `.gguf`, and without the number where it is split.
/// </summary>
/// <param name="userFolder">`$XDG_DATA_HOME/edgellm/models`, else `~/.local/share/edgellm/models`.</param>
/// <param name="systemFolder">`/var/lib/edgellm/models`.</param>
/// <param name="defaultModel">The file that comes with the program, or null.</param>
public sealed class ModelStore(string userFolder, string systemFolder, string? defaultModel = null)
{
    /// <summary>Another name of the model that comes with the program.</summary>
    private const string Default = "default";

    /// <summary>The folder that all users and the service read. Tests put theirs here.</summary>
    internal static string SystemFolderOfThisMachine { get; set; } = "/var/lib/edgellm/models";

    /// <summary>The folder beside the program that packages put models into which hear. Tests put theirs here.</summary>
    internal static string SpeechFolderOfThisMachine { get; set; } = Path.Combine(AppContext.BaseDirectory, "speech");

    /// <summary>A folder of more models that come with the program, or null.</summary>
    internal string? ProgramFolder { get; init; }

    /// <summary>The folder of this user's models.</summary>
    public string UserFolder => userFolder;

    /// <summary>The folder of all users' models, the service's among them.</summary>
    public string SystemFolder => systemFolder;

    /// <summary>The store that the `edgellm` program uses, with this program's default model.</summary>
    public static ModelStore OfThisMachine()
    {
        // The specification has relative paths ignored (XDG Base Directory).
        string? data = Environment.GetEnvironmentVariable("XDG_DATA_HOME");
        if (!Path.IsPathFullyQualified(data ?? ""))
            data = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
        return new ModelStore(Path.Combine(data!, "edgellm", "models"), SystemFolderOfThisMachine, DefaultModelFile.Path)
        {
            ProgramFolder = SpeechFolderOfThisMachine,
        };
    }

    /// <summary>The name of a file's model: the default's own, however its path is written, else the file's or the folder's.</summary>
    public static string NameOf(string path) => NameOf(path, DefaultModelFile.Path);

    internal static string NameOf(string path, string? defaultModel) =>
        defaultModel is not null && Path.GetFullPath(path) == Path.GetFullPath(defaultModel) ? DefaultModelFile.ModelName
            : StoredModel.NameOf(path);

    /// <summary>
    /// Opens a model by its path or name (<see cref="PathOf"/>), and calls it by the store's name unless the options have one.
    /// </summary>
    /// <exception cref="IOException">There is no such model, or none was named and the program has no default.</exception>
    /// <exception cref="ModelException">As of <see cref="LanguageModel.Load"/>, whose other exceptions come too.</exception>
    public LanguageModel Load(string? model = null, ModelOptions? options = null)
    {
        string path = PathOf(model);
        options ??= new ModelOptions();
        return LanguageModel.Load(path, options with { Name = options.Name ?? NameOf(path) });
    }

    /// <summary>
    /// The file of a path (or a Hugging Face folder itself), of a name in any case, or of the beginning of one name only; of null, the
    /// default model.
    /// </summary>
    /// <exception cref="IOException">There is no such model, or none was named and the program has no default.</exception>
    public string PathOf(string? model)
    {
        if (model is null)
        {
            return defaultModel ?? throw new FileNotFoundException("this program has no default model: "
                + "name one (edgellm: with --model), a GGUF file, a Hugging Face folder or a name of `edgellm list`; `edgellm pull` "
                + "gets one");
        }
        FileStatus? status = FileStatus.Of(model);
        if (status?.Kind == FileKind.Regular) return model;
        if (Find(model) is { } stored) return stored.Path;
        if (status?.Kind == FileKind.Folder && HuggingFaceFolder.IsModel(model)) return model;
        if (status?.Kind == FileKind.Folder) throw new FileNotFoundException(FolderAdvice(model));
        if (status?.Kind == FileKind.Link) throw new FileException(model, "is a link to a file that is not there");
        if (status is { KindName: var kind }) throw new FileException(model, $"is {kind}, not a GGUF file");
        bool isPath = model.Contains('/') || model.EndsWith(StoredModel.Extension, StringComparison.OrdinalIgnoreCase);
        if (!StoredModel.IsName(model) && (isPath || !model.Contains(':')))
            throw new FileNotFoundException($"{Printable.Line(model, 200)}: there is no such file");

        StoredModel[] begun =
            [.. Models().Where(one => one.Name.StartsWith(model, StringComparison.OrdinalIgnoreCase)).DistinctBy(one => one.Name)];
        if (begun.Length == 1) return begun[0].Path;
        string name = Printable.Line(model, 100);
        if (begun.Length > 1)
        {
            string names = string.Join(", ", begun.Select(one => Printable.Line(one.Name)));
            throw new FileNotFoundException($"several models' names begin with '{name}': {names}");
        }
        throw new FileNotFoundException(Suggestion.For(model, Models().Select(one => one.Name)) is { } near
            ? $"there is no model '{name}': did you mean {Printable.Line(near)}?"
            : $"there is no model '{name}': `edgellm list` shows those that are here, and `edgellm pull` gets others");
    }

    /// <summary>
    /// The stored model of a whole name in any case (`.gguf`, or Ollama's `:latest`, may follow it), the user's before the system's
    /// and the exact name before one in another case; or null.
    /// </summary>
    /// <param name="place">Where to look; null: everywhere.</param>
    public StoredModel? Find(string name, ModelPlace? place = null)
    {
        string bare = name.EndsWith(":latest", StringComparison.OrdinalIgnoreCase) ? name[..^":latest".Length] : name;
        if (!StoredModel.IsName(bare)) return null;
        StoredModel[] models = [.. Models().Where(model => place is null || model.Place == place)];
        return models.FirstOrDefault(model => IsCalled(model, bare, StringComparison.Ordinal))
            ?? models.FirstOrDefault(model => IsCalled(model, bare, StringComparison.OrdinalIgnoreCase))
            ?? models.FirstOrDefault(model => model.Path == defaultModel && bare == Default);
    }

    /// <summary>All models by name: the user's, then the system's, then the default and others that come with the program.</summary>
    public IEnumerable<StoredModel> Models()
    {
        foreach (StoredModel model in ModelsIn(userFolder, ModelPlace.User)) yield return model;
        foreach (StoredModel model in ModelsIn(systemFolder, ModelPlace.System)) yield return model;
        if (defaultModel is not null) yield return new StoredModel(DefaultModelFile.ModelName, ModelPlace.Program, [defaultModel]);
        if (ProgramFolder is null) yield break;
        foreach (StoredModel model in ModelsIn(ProgramFolder, ModelPlace.Program)) yield return model;
    }

    private static bool IsCalled(StoredModel model, string name, StringComparison comparison) =>
        name.Equals(model.Name, comparison) || name.Equals(model.Name + StoredModel.Extension, comparison)
        || (model.Place != ModelPlace.Program && name.Equals(Path.GetFileName(model.Path), comparison));

    private static string FolderAdvice(string folder)
    {
        string name = Printable.Line(folder, 200);
        if (Directory.EnumerateFiles(folder, "*" + StoredModel.Extension).Order(StringComparer.Ordinal).FirstOrDefault() is { } file)
            return $"{name} is a folder: name a file in it, such as {ShellWord.Quote(file)}";
        return File.Exists(Path.Combine(folder, "config.json"))
            ? $"{name} is a Hugging Face folder without weights that are read here (model.safetensors or pytorch_model.bin)"
            : $"{name} is a folder without a model in it (neither a GGUF file nor a config.json)";
    }

    private static IEnumerable<StoredModel> ModelsIn(string folder, ModelPlace place)
    {
        if (!Directory.Exists(folder)) return [];
        return Directory.EnumerateFiles(folder, "*" + StoredModel.Extension)
            .GroupBy(StoredModel.NameOf, StringComparer.Ordinal)
            .OrderBy(group => group.Key, StringComparer.Ordinal)
            .Select(group => new StoredModel(group.Key, place, [.. group.Order(StringComparer.Ordinal)]));
    }
}
