
namespace EdgeLlm.HuggingFace;

/// <summary>A model's folder as Hugging Face's transformers write it: config.json, and weights in one safetensors file or several.</summary>
internal sealed class HuggingFaceFolder : IDisposable
{
    private const int MostConfigBytes = 4 << 20;
    private const int MostIndexBytes = 32 << 20;
    private const int MostShards = 4096;
    private const string SingleFile = "model.safetensors";
    private const string IndexFile = "model.safetensors.index.json";

    private readonly List<SafetensorsFile> _shards = [];
    private readonly Dictionary<string, SafetensorsTensor> _tensors = [];

    private HuggingFaceFolder(string path)
    {
        Path = path;
        Config = JsonPart.Read(File("config.json"), MostConfigBytes);
        if (Has(SingleFile)) Add(SingleFile);
        else AddShards();
    }

    public string Path { get; }

    public JsonPart Config { get; }

    /// <summary>All tensors, by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsTensor> Tensors => _tensors;

    /// <summary>The files with weights.</summary>
    public IReadOnlyList<SafetensorsFile> Shards => _shards;

    /// <exception cref="ModelException">A file is missing or is not what it should be.</exception>
    public static HuggingFaceFolder Open(string path)
    {
        if (!System.IO.File.Exists(System.IO.Path.Combine(path, "config.json")))
            throw new ModelException(path, "is a folder without config.json: not a model's, as Hugging Face's tools write them");
        return new HuggingFaceFolder(path);
    }

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public bool Has(string name) => System.IO.File.Exists(File(name));

    public void Dispose()
    {
        foreach (SafetensorsFile shard in _shards) shard.Dispose();
    }

    private void AddShards()
    {
        if (!Has(IndexFile))
        {
            string pickled = Directory.EnumerateFiles(Path, "pytorch_model*.bin").Any() ? "; pickled weights (pytorch_model*.bin) are not read: save it as safetensors" : "";
            throw new ModelException(Path, $"has neither {SingleFile} nor {IndexFile}{pickled}");
        }
        JsonPart map = JsonPart.Read(File(IndexFile), MostIndexBytes).Require("weight_map");
        var wanted = map.Fields().Select(entry => (Tensor: entry.Name, Entry: entry.Value, Shard: entry.Value.Text())).ToLookup(entry => entry.Shard);
        if (wanted.Count > MostShards) throw map.Error($"names {wanted.Count} files, more than {MostShards}");
        try
        {
            foreach (var shard in wanted)
            {
                string name = shard.Key, shown = FolderFile.Printable(name);
                JsonPart first = shard.First().Entry;
                // A file beside the index and nothing else: no path may lead out of the folder.
                if (name != System.IO.Path.GetFileName(name) || name.Contains('\\', StringComparison.Ordinal) || !name.EndsWith(".safetensors", StringComparison.Ordinal))
                    throw first.Error($"is '{shown}', not the name of a safetensors file in the same folder");
                if (!Has(name)) throw first.Error($"is in {shown}, and that file is missing");
                Add(name);
                foreach ((string tensor, JsonPart entry, _) in shard)
                {
                    if (!_shards[^1].Tensors.ContainsKey(tensor)) throw entry.Error($"should be in {shown}, but that has no such tensor");
                }
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private void Add(string name)
    {
        var shard = SafetensorsFile.Open(File(name));
        _shards.Add(shard);
        foreach ((string tensor, SafetensorsTensor place) in shard.Tensors)
        {
            if (!_tensors.TryAdd(tensor, place))
                throw new ModelException(shard.Path, $"tensor {FolderFile.Printable(tensor)} is in {System.IO.Path.GetFileName(_tensors[tensor].File.Path)} too");
        }
    }
}
