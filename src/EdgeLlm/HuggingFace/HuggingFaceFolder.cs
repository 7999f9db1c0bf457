namespace EdgeLlm.HuggingFace;

/// <summary>A model's folder as Hugging Face's transformers write it: config.json, and weights in one file or several.</summary>
internal sealed class HuggingFaceFolder : IDisposable
{
    private const string ConfigFile = "config.json";
    private const string IndexEnding = ".index.json";
    private const int MostConfigBytes = 4 << 20;
    private const int MostIndexBytes = 32 << 20;
    private const int MostFiles = 4096;

    // What weights are read from: the first that is there, in one file, or in several with an index.
    private static readonly string[] Forms = ["model.safetensors", "pytorch_model.bin"];

    private readonly List<WeightFile> _files = [];
    private readonly Dictionary<string, FolderTensor> _tensors = [];

    private HuggingFaceFolder(string path) =>
        (Path, Config) = (path, JsonPart.Read(System.IO.Path.Combine(path, ConfigFile), MostConfigBytes));

    public string Path { get; }

    public JsonPart Config { get; }

    /// <summary>All tensors, by name.</summary>
    public IReadOnlyDictionary<string, FolderTensor> Tensors => _tensors;

    /// <summary>The files with weights.</summary>
    public IReadOnlyList<WeightFile> Files => _files;

    /// <summary>Whether a path is a folder with a config.json and weights.</summary>
    public static bool IsModel(string path) =>
        System.IO.File.Exists(System.IO.Path.Combine(path, ConfigFile))
            && Forms.Any(form => System.IO.File.Exists(System.IO.Path.Combine(path, form))
                || System.IO.File.Exists(System.IO.Path.Combine(path, form + IndexEnding)));

    /// <summary>
    /// Name of a folder's model: the folder's name, or in a cache (models--OWNER--NAME/snapshots/COMMIT) the repository's.
    /// </summary>
    public static (string Name, string? Owner, string? Commit) NameOf(string path)
    {
        string[] parts = System.IO.Path.GetFullPath(path).TrimEnd(System.IO.Path.DirectorySeparatorChar)
            .Split(System.IO.Path.DirectorySeparatorChar);
        return parts is [.., var repository, "snapshots", var commit] && repository.Split("--") is ["models", var owner, var model]
            ? (model, owner, commit) : (parts[^1], null, null);
    }

    /// <exception cref="ModelException">A file is missing or is not what it should be.</exception>
    public static HuggingFaceFolder Open(string path)
    {
        if (!System.IO.File.Exists(System.IO.Path.Combine(path, ConfigFile)))
            throw new ModelException(path, $"is a folder without {ConfigFile}: not a model's, as Hugging Face's tools write them");
        var folder = new HuggingFaceFolder(path);
        try
        {
            folder.OpenFiles();
            return folder;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Opens the weights of a part in a folder of its own.</summary>
    /// <param name="folder">The name of a folder in this one.</param>
    /// <param name="name">What its tensors' names begin with here, and a dot.</param>
    /// <exception cref="ModelException">There are none, or they are not what they should be.</exception>
    public void AddPart(string folder, string name)
    {
        string path = InFolder(folder);
        string form = Forms.FirstOrDefault(form => System.IO.File.Exists(System.IO.Path.Combine(path, form)))
            ?? throw new ModelException(path, $"has neither {string.Join(" nor ", Forms)}");
        var file = WeightFile.Open(System.IO.Path.Combine(path, form));
        _files.Add(file);
        foreach (FolderTensor tensor in file.Tensors.Values)
        {
            FolderTensor named = tensor with { Stored = tensor.Stored with { Name = $"{name}.{tensor.Name}" } };
            if (!_tensors.TryAdd(named.Name, named)) throw named.Error("is there twice");
        }
    }

    public void Dispose()
    {
        foreach (WeightFile file in _files) file.Dispose();
    }

    private string InFolder(string name) => System.IO.Path.Combine(Path, name);

    private bool Has(string name) => System.IO.File.Exists(InFolder(name));

    private void OpenFiles()
    {
        string form = Forms.FirstOrDefault(form => Has(form) || Has(form + IndexEnding))
            ?? throw new ModelException(Path, $"has neither {string.Join(" nor ", Forms)}, nor one of them followed by {IndexEnding}");
        if (Has(form)) Add(form);
        else AddAllOf(form + IndexEnding, System.IO.Path.GetExtension(form));
    }

    private void AddAllOf(string index, string extension)
    {
        JsonPart map = JsonPart.Read(InFolder(index), MostIndexBytes).Require("weight_map");
        var wanted = map.Fields().Select(entry => (Tensor: entry.Name, Entry: entry.Value, File: entry.Value.Text()))
            .ToLookup(entry => entry.File);
        if (wanted.Count > MostFiles) throw map.Error($"names {wanted.Count} files, more than {MostFiles}");
        foreach (var file in wanted)
        {
            string name = file.Key, shown = FolderFile.Printable(name);
            JsonPart first = file.First().Entry;
            // A file beside the index and nothing else: no path may lead out of the folder.
            if (name != System.IO.Path.GetFileName(name) || name.Contains('\\', StringComparison.Ordinal)
                || !name.EndsWith(extension, StringComparison.Ordinal))
                throw first.Error($"is '{shown}', not the name of a {extension[1..]} file in the same folder");
            if (!Has(name)) throw first.Error($"is in {shown}, and that file is missing");
            Add(name);
            foreach ((string tensor, JsonPart entry, _) in file)
            {
                if (!_files[^1].Tensors.ContainsKey(tensor)) throw entry.Error($"should be in {shown}, but that has no such tensor");
            }
        }
    }

    private void Add(string name)
    {
        var file = WeightFile.Open(InFolder(name));
        _files.Add(file);
        foreach ((string tensor, FolderTensor place) in file.Tensors)
        {
            if (!_tensors.TryAdd(tensor, place))
                throw new ModelException(file.Path,
                    $"tensor {FolderFile.Printable(tensor)} is in {System.IO.Path.GetFileName(_tensors[tensor].File.Path)} too");
        }
    }
}
