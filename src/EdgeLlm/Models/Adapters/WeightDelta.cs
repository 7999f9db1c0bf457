using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Folders;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Adapters;

/// <summary>A folder whose tensors are a trained model's less the base's, as Vicuna was released: weights are the sum of both.</summary>
internal sealed class WeightDelta : IDisposable
{
    private readonly HuggingFaceFolder _folder;
    private readonly Dictionary<(TensorRole Role, int Layer, int Expert), (FolderTensor Tensor, AdapterSite Site)> _tensors = [];
    private readonly ModelSpec _spec;

    private WeightDelta(HuggingFaceFolder folder, ModelSpec spec)
    {
        (_folder, _spec) = (folder, spec);
        var sites = new AdapterSites(spec, turnsInHalves: false);
        int vocabulary = spec.VocabularySize;
        foreach (FolderTensor tensor in folder.Tensors.Values.Where(tensor =>
            !tensor.Name.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal)))
        {
            if (tensor.Type is null) throw tensor.Error($"is {tensor.Stored.Kind}; weights are read as F32, F16 and BF16");
            if (sites.OfFolderName(tensor.Name) is not { Count: > 0 } found)
                throw tensor.Error($"is one that a model of the architecture {spec.Architecture} and this shape has not");
            foreach (AdapterSite site in found)
            {
                if (site.Use.Role == TensorRole.Output && spec.IsTied) continue; // the embedding again
                long[] shape = site.IsTransposed ? [site.SourceShape[1], site.SourceShape[0]] : site.SourceShape;
                bool grows = site.Use.Role is TensorRole.TokenEmbedding or TensorRole.Output && tensor.Shape.Length == 2
                    && tensor.Shape[0] > shape[0] && tensor.Shape[1] == shape[1];
                if (!grows && !tensor.Shape.AsSpan().SequenceEqual(shape))
                    throw tensor.Error($"has the shape [{string.Join(", ", tensor.Shape)}]; the base's has [{string.Join(", ", shape)}]");
                if (grows) vocabulary = Math.Max(vocabulary, checked((int)Math.Min(tensor.Shape[0], ModelKeys.MaximumWidth * 64L)));
                if (!_tensors.TryAdd((site.Use.Role, site.Use.Layer, Math.Max(0, site.Expert)), (tensor, site)))
                    throw tensor.Error("is there under two names");
            }
        }
        foreach (TensorUse use in TensorTable.Of(spec).Where(use => !use.Entry.IsRopeTable))
        {
            if (!_tensors.ContainsKey((use.Role, use.Layer, 0)))
                throw new ModelException(folder.Path, $"has no tensor for {use.Name}: a delta has all that the base has");
        }
        if (vocabulary == spec.VocabularySize) return;
        if (!File.Exists(Path.Combine(folder.Path, "tokenizer.json")) && !File.Exists(Path.Combine(folder.Path, "tokenizer.model")))
            throw new ModelException(folder.Path,
                $"has {vocabulary} tokens, and the base {spec.VocabularySize}: the delta's folder has to have its tokenizer");
        Keys = TokenizerKeys.Of(HuggingFaceTokenizer.Read(folder.Path, folder.Config, vocabulary));
    }

    /// <summary>Name: the folder's.</summary>
    public string Name => HuggingFaceFolder.NameOf(_folder.Path).Name;

    /// <summary>Keys of its own tokenizer, where it has more tokens than the base.</summary>
    public IReadOnlyList<(string Key, GgufValue Value)> Keys { get; } = [];

    /// <exception cref="ModelException">It does not fit the base; the message names the tensor.</exception>
    public static WeightDelta Open(string folder, ModelSpec spec)
    {
        HuggingFaceFolder files = HuggingFaceFolder.Open(folder);
        try
        {
            return new WeightDelta(files, spec);
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>Rows of a matrix (numbers of a vector count as one row), those that the base lacks among them.</summary>
    public long RowsOf(TensorUse use)
    {
        (FolderTensor tensor, _) = _tensors[(use.Role, use.Layer, 0)];
        return !use.Entry.IsMatrix ? 1 : use.Role is TensorRole.TokenEmbedding or TensorRole.Output ? tensor.Shape[0] : use.Rows;
    }

    /// <summary>Adds the delta to a row of the base.</summary>
    public void Add(TensorUse use, int row, Span<float> numbers)
    {
        int each = use.Rows / use.Experts, expert = use.Entry.IsMatrix ? Math.Min(row / each, use.Experts - 1) : 0;
        (FolderTensor tensor, AdapterSite site) = _tensors[(use.Role, use.Layer, expert)];
        long local = use.Experts > 1 ? row % each : row;
        long source = !use.Entry.IsMatrix ? 0 : local < each ? site.SourceRow?.Invoke(local) ?? local : local;
        int size = (int)ElementFormat.ByteCount(tensor.Type!.Value, 1);
        Span<float> one = stackalloc float[1];
        if (use.Entry.IsMatrix && !site.IsTransposed && site.SourceColumn is null)
        {
            float[] added = new float[numbers.Length];
            Dequantizer.ToFloat(tensor.Type.Value, tensor.Bytes(source * numbers.Length * size, numbers.Length * size), added);
            for (int i = 0; i < added.Length; i++) numbers[i] += added[i];
            return;
        }
        for (int i = 0; i < numbers.Length; i++)
        {
            long column = site.SourceColumn?.Invoke(i) ?? i;
            long index = !use.Entry.IsMatrix ? site.SourceRow?.Invoke(i) ?? i : site.IsTransposed ? column * site.SourceShape[0] + source
                : source * numbers.Length + column;
            Dequantizer.ToFloat(tensor.Type.Value, tensor.Bytes(index * size, size), one);
            numbers[i] += one[0];
        }
    }

    public void Dispose() => _folder.Dispose();
}
