using EdgeLlm.HuggingFace;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Pull;

/// <summary>A PEFT adapter's folder beside the models on this machine, in `adapters`.</summary>
/// <param name="Base">The model that it was trained on; null: its config does not say.</param>
internal sealed record StoredAdapter(string Name, ModelPlace Place, string Path, string? Base)
{
    private const string ConfigFile = "adapter_config.json";
    private const int MostConfigBytes = 4 << 20;

    /// <summary>Files of an adapter's folder that are read here.</summary>
    private static readonly string[] Files =
    [
        ConfigFile, "adapter_model.safetensors", "adapter_model.bin", "README.md", "added_tokens.json", "tokenizer.json",
        "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja",
    ];

    public long Size => new DirectoryInfo(Path).EnumerateFiles().Sum(file => file.Length);

    public DateTimeOffset Modified => File.GetLastWriteTimeUtc(System.IO.Path.Combine(Path, ConfigFile));

    /// <summary>The folder of an adapter below that of the models.</summary>
    public static string FolderOf(string models, string name) => System.IO.Path.Combine(models, "adapters", name);

    /// <summary>Those of the user, then those of the system.</summary>
    public static IEnumerable<StoredAdapter> In(ModelStore store) =>
        new[] { (store.UserFolder, ModelPlace.User), (store.SystemFolder, ModelPlace.System) }.SelectMany(one =>
            Directory.Exists(FolderOf(one.Item1, ""))
            ? Directory.EnumerateDirectories(FolderOf(one.Item1, "")).Where(IsFolder).Order(StringComparer.Ordinal)
                .Select(path => Of(path, one.Item2)) : []);

    /// <summary>Whether a path is an adapter's folder.</summary>
    public static bool IsFolder(string path) => File.Exists(System.IO.Path.Combine(path, ConfigFile));

    /// <summary>An adapter's files among those of a repository without models; empty: it has none.</summary>
    public static RepositoryFile[] FilesOf(IEnumerable<RepositoryFile> files)
    {
        RepositoryFile[] known = [.. files.Where(file => Files.Contains(file.Path))];
        return known.Any(file => file.Path == ConfigFile) ? known : [];
    }

    /// <summary>Copies a folder to the place of the models' adapters.</summary>
    /// <exception cref="PullException">There is one of this name.</exception>
    public static string Take(string folder, string models)
    {
        string name = System.IO.Path.GetFileName(System.IO.Path.GetFullPath(folder).TrimEnd('/')), target = FolderOf(models, name);
        if (Directory.Exists(target)) throw new PullException($"{target} is there already: remove it first");
        string beside = FolderOf(models, "." + System.IO.Path.GetRandomFileName());
        Directory.CreateDirectory(beside);
        foreach (string file in Files.Select(file => System.IO.Path.Combine(folder, file)).Where(File.Exists))
            File.Copy(file, System.IO.Path.Combine(beside, System.IO.Path.GetFileName(file)));
        Directory.Move(beside, target);
        return target;
    }

    private static StoredAdapter Of(string path, ModelPlace place)
    {
        string? trained = null;
        try
        {
            trained = JsonPart.Read(System.IO.Path.Combine(path, ConfigFile), MostConfigBytes).Find("base_model_name_or_path")?.Text();
        }
        catch (Exception exception) when (exception is ModelException or IOException or UnauthorizedAccessException)
        {
            // Listed without it: who uses the adapter is told what is wrong.
        }
        return new StoredAdapter(System.IO.Path.GetFileName(path), place, path, trained);
    }
}
