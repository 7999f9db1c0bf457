using System.Globalization;
using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Families;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Folders;

/// <summary>
/// A model in a Hugging Face folder (config.json, weights, tokenizer), checked as a whole when it is opened: its keys and tensors by GGUF's
/// names.
/// </summary>
internal sealed class FolderModel : IDisposable
{
    private const string Expert = "{e}";

    private readonly HuggingFaceFolder _folder;
    private readonly Family _family;
    private readonly ModelKeys _modelKeys;
    private readonly ModelSpec _spec;
    private readonly HuggingFaceTokenizer _tokenizer;
    private readonly List<ImportedTensor> _tensors = [];
    private readonly List<string> _leftOut = [];

    private FolderModel(HuggingFaceFolder folder, bool runsAsItIs)
    {
        _folder = folder;
        _family = Family.Of(folder.Config);
        _modelKeys = _family.KeysOf(folder.Config);
        SentenceModules.Read(folder, _modelKeys);
        if (HasOtherHead()) _modelKeys.Set(TensorRole.Output);
        _spec = _family.MakeSpec(_modelKeys);
        // Heads turn in halves in folders, and in some architectures' files in neighbours: rows don't have to move where they run as they
        // are in the folder.
        if (runsAsItIs && !_family.RotatesNeighbours
            && TensorTable.Of(_spec).Any(use => use.Entry.RotatedHeads?.Invoke(_spec.Layers[use.Layer].Attention) > 0))
        {
            _modelKeys.Set(ModelKeys.RopeInHalves, true);
            _spec = _family.MakeSpec(_modelKeys);
        }
        MapTensors();
        _tokenizer = HuggingFaceTokenizer.Read(folder.Path, folder.Config, _spec.VocabularySize);
        Keys = MakeKeys();
    }

    /// <summary>The files with weights.</summary>
    public IReadOnlyList<WeightFile> Files => _folder.Files;

    /// <summary>Its tensors but <see cref="RopeTables"/>, in the order of use.</summary>
    public IReadOnlyList<ImportedTensor> Tensors => _tensors;

    /// <summary>Tensors of rotary positions [pairs], which folders have as settings.</summary>
    public IEnumerable<(TensorRole Role, IReadOnlyList<float> Numbers)> RopeTables => _modelKeys.RopeTables;

    /// <summary>GGUF's keys.</summary>
    public OrderedDictionary<string, GgufValue> Keys { get; }

    /// <summary>Notes on parts of the folder that can't be kept, a line each.</summary>
    public IReadOnlyList<string> Notes => [.. LeftOut(), .. _tokenizer.Notes];

    /// <param name="runsAsItIs">Whether its tensors are going to be used where they are; otherwise they are as a GGUF file has
    /// them.</param>
    /// <exception cref="ModelException">A file of the folder is missing, damaged or not understood; the message names it, and the field or
    /// tensor.</exception>
    /// <exception cref="IOException">A file can't be read.</exception>
    public static FolderModel Open(string folder, bool runsAsItIs)
    {
        HuggingFaceFolder files = HuggingFaceFolder.Open(folder);
        try
        {
            return new FolderModel(files, runsAsItIs);
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>A folder as a file: matrices stay in their files' maps, vectors become F32.</summary>
    /// <exception cref="ModelException">As of <see cref="Open"/>, or a matrix can't be used where it is; then the message has the line to
    /// type.</exception>
    public static GgufFile Map(string folder)
    {
        FolderModel model = Open(folder, runsAsItIs: true);
        try
        {
            var tensors = new OrderedDictionary<string, GgufTensor>();
            Dictionary<WeightFile, int> numbers = model.Files.Index().ToDictionary(file => file.Item, file => file.Index);
            foreach ((TensorRole role, IReadOnlyList<float> numbersOf) in model.RopeTables)
            {
                float[] divisors = GC.AllocateArray<float>(numbersOf.Count, pinned: true);
                for (int i = 0; i < divisors.Length; i++) divisors[i] = numbersOf[i];
                string name = TensorTable.Name(role);
                tensors.Add(name, new GgufTensor(name, [divisors.Length], ElementType.F32, 0, sizeof(float) * (long)divisors.Length,
                    0)
                { Converted = divisors });
            }
            foreach (ImportedTensor tensor in model.Tensors) tensors.Add(tensor.Target, tensor.View(numbers[tensor.Source.File], folder));
            return new GgufFile(folder, model.Keys, tensors, [.. model.Files.Select(file => file.Map)])
            {
                Notes = model.Notes,
                ReadingBytes = HuggingFaceTokenizer.ReadingBytes(folder),
            };
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    public void Dispose() => _folder.Dispose();

    private OrderedDictionary<string, GgufValue> MakeKeys()
    {
        var keys = new OrderedDictionary<string, GgufValue>
        {
            ["general.architecture"] = GgufValue.Of(_family.Architecture),
            ["general.type"] = GgufValue.Of("model"),
        };
        IEnumerable<(string, GgufValue)> own = _modelKeys.Values.Select(pair => (pair.Key, pair.Value));
        foreach ((string key, GgufValue value) in ModelCard.Keys(_folder.Path).Append(("general.file_type", GgufValue.Of(FileType)))
            .Concat(own).Concat(TokenizerKeys.Of(_tokenizer)))
            keys[key] = value;
        return keys;
    }

    /// <summary>llama.h's LLAMA_FTYPE of most of the weights.</summary>
    private uint FileType => _tensors.GroupBy(tensor => tensor.Type).MaxBy(group => group.Sum(tensor => tensor.ByteCount))!.Key switch
    {
        ElementType.F32 => 0,
        ElementType.F16 => 1,
        ElementType.MXFP4 => 38,
        _ => 32,
    };

    private void MapTensors()
    {
        var used = new HashSet<string>();
        foreach (TensorUse use in TensorTable.Of(_spec).Where(use => !use.Entry.IsRopeTable))
        {
            FolderName name = _family.NameOf(use.Entry);
            FolderTensor[] sources = SourcesOf(name, use);
            used.UnionWith(sources.Select(source => source.Name));
            _tensors.Add(ImportedTensor.Of(sources, use, _spec, name.Form, _family.RotatesNeighbours,
                use.Role == TensorRole.PositionEmbedding ? _modelKeys.SkippedPositions : 0));
        }
        foreach (FolderTensor tensor in _folder.Tensors.Values)
        {
            if (_family.LeftOut.Any(start => tensor.Name.StartsWith(start, StringComparison.Ordinal))) _leftOut.Add(tensor.Name);
            else if (!used.Contains(tensor.Name) && !IsNoWeight(tensor.Name))
                throw new ModelException(tensor.File.Path,
                    $"has the tensor {FolderFile.Printable(tensor.Name)}, which by config.json a model of type {_family.ModelType} has "
                        + "not");
        }
    }

    private IEnumerable<string> LeftOut()
    {
        if (_leftOut.Count == 0) yield break;
        string names = string.Join(", ", _leftOut.Order().Take(8).Select(FolderFile.Printable));
        yield return $"only the text model runs: {_leftOut.Count} tensors of other parts are left out "
            + $"({names}{(_leftOut.Count > 8 ? ", ..." : "")})";
    }

    /// <summary>Buffers, which are computed anew, and a head that is the embedding again.</summary>
    private bool IsNoWeight(string name) =>
        name.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal)
            || _family.Buffers.Any(end => name.EndsWith(end, StringComparison.Ordinal))
        || _spec.IsTied && name == _family.NameOf(TensorTable.Get(TensorRole.Output)).Name;

    /// <summary>
    /// Whether a head that config.json calls tied is there and another than the embedding: then the reference takes it (transformers 5,
    /// modeling_utils.py). A head of other weights differs from its beginning on.
    /// </summary>
    private bool HasOtherHead()
    {
        const int Compared = 1 << 20;
        if (_modelKeys.Has(TensorRole.Output) || Find(_family.NameOf(TensorTable.Get(TensorRole.Output)), 0) is not { } head) return false;
        if (Find(_family.NameOf(TensorTable.Get(TensorRole.TokenEmbedding)), 0) is not { } embedding) return true;
        int bytes = (int)Math.Min(Compared, Math.Min(head.ByteCount, embedding.ByteCount));
        return head.Stored.Kind != embedding.Stored.Kind || head.ByteCount != embedding.ByteCount
            || !head.Bytes(0, bytes).SequenceEqual(embedding.Bytes(0, bytes));
    }

    /// <summary>
    /// The tensor, or each matrix of a stack that has tensors of its own (`{e}` is the number of the expert), or codes and scales of a
    /// stack in MXFP4.
    /// </summary>
    /// <exception cref="ModelException">One is missing.</exception>
    private FolderTensor[] SourcesOf(FolderName name, TensorUse use)
    {
        if (name.Name.Contains(Expert, StringComparison.Ordinal))
            return [.. Enumerable.Range(0, use.Experts)
                .Select(
                    e =>
                        Require(
                            new FolderName(
                                name.Name.Replace(Expert, e.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal))))];
        if (use.Experts > 1 && Find(name with { Name = name.Name + "_blocks" }, use.Layer) is { } codes)
            return [codes, Require(name with { Name = name.Name + "_scales" })];
        return [Require(name)];

        FolderTensor Require(FolderName wanted) =>
            Find(wanted, use.Layer)
                ?? throw new ModelException(_folder.Path,
                    $"has no tensor {TensorEntry.InLayer(wanted.Name, use.Layer)}, which config.json asks for");
    }

    private FolderTensor? Find(FolderName names, int layer)
    {
        foreach (string template in names.Others.Prepend(names.Name))
        {
            string name = TensorEntry.InLayer(template, layer);
            if (_folder.Tensors.TryGetValue(name, out FolderTensor? tensor)) return tensor;
            bool hasPrefix = name.StartsWith(_family.Prefix, StringComparison.Ordinal);
            if (hasPrefix && _folder.Tensors.TryGetValue(name[_family.Prefix.Length..], out tensor)) return tensor;
            foreach (string outer in _family.TextPrefixes)
            {
                if (hasPrefix && _folder.Tensors.TryGetValue(outer + name[_family.Prefix.Length..], out tensor)) return tensor;
                if (!hasPrefix && outer.EndsWith(_family.Prefix, StringComparison.Ordinal)
                    && _folder.Tensors.TryGetValue(outer[..^_family.Prefix.Length] + name, out tensor))
                    return tensor;
            }
        }
        return null;
    }
}
