using EdgeLlm.DefaultModel;

namespace EdgeLlm.Cli;

/// <summary>
/// Where models lie on this machine: the user's folder, into which `pull` writes and from which `rm` removes, and the system's, which is
/// only read. A model's name is its file's name without `.gguf`, and without the number where it is split.
/// </summary>
/// <param name="userFolder">`$XDG_DATA_HOME/edgellm/models`, else `~/.local/share/edgellm/models`.</param>
/// <param name="systemFolder">`/var/lib/edgellm/models`.</param>
/// <param name="defaultModel">The file that comes with the program, or null.</param>
internal sealed class ModelStore(string userFolder, string systemFolder, string? defaultModel)
{
    /// <summary>The folder that all users and the service read. Tests put theirs here.</summary>
    public static string SystemFolderOfThisMachine { get; set; } = "/var/lib/edgellm/models";

    public string UserFolder => userFolder;

    public string SystemFolder => systemFolder;

    public static ModelStore OfThisMachine()
    {
        // The specification has relative paths ignored (XDG Base Directory).
        string? data = Environment.GetEnvironmentVariable("XDG_DATA_HOME");
        if (!Path.IsPathFullyQualified(data ?? "")) data = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
        return new ModelStore(Path.Combine(data!, "edgellm", "models"), SystemFolderOfThisMachine, DefaultModelFile.Path);
    }

    /// <summary>The file of a path or a name; of null, the default model.</summary>
    /// <exception cref="IOException">There is no such model, or none was named and this build has no default.</exception>
    public string PathOf(string? model)
    {
        if (model is null)
            return defaultModel ?? throw new FileNotFoundException("this build has no default model: name one with --model (a GGUF file, or a name of `edgellm list`; `edgellm pull` gets one)");
        if (File.Exists(model)) return model;
        if (Find(model) is { } stored) return stored.Path;
        throw new FileNotFoundException(StoredModel.IsName(model)
            ? $"there is no model '{model}' here: it is neither a file nor in {userFolder} or {systemFolder} (`edgellm list` shows what is)"
            : $"{model}: there is no such file");
    }

    /// <summary>The stored model of a name (`.gguf` may stand after it), the user's before the system's, or null.</summary>
    public StoredModel? Find(string name)
    {
        if (!StoredModel.IsName(name)) return null;
        string bare = name.EndsWith(StoredModel.Extension, StringComparison.Ordinal) ? name[..^StoredModel.Extension.Length] : name;
        return Models().FirstOrDefault(model => model.Name == bare || Path.GetFileName(model.Path) == name);
    }

    /// <summary>All models by name: the user's, then the system's, then the default.</summary>
    public IEnumerable<StoredModel> Models()
    {
        foreach (StoredModel model in ModelsIn(userFolder, ModelPlace.User)) yield return model;
        foreach (StoredModel model in ModelsIn(systemFolder, ModelPlace.System)) yield return model;
        if (defaultModel is not null) yield return new StoredModel("default", ModelPlace.Program, [defaultModel]);
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
