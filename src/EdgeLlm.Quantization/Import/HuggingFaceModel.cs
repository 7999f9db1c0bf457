using System.Runtime.InteropServices;
using EdgeLlm.Files;
using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Families;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Quantization.Import;

/// <summary>
/// A model in a Hugging Face folder (config.json, safetensors, tokenizer), checked as a whole when it is opened, and written as a GGUF file with
/// the same weights to the bit.
/// </summary>
internal sealed class HuggingFaceModel : IDisposable
{
    private readonly HuggingFaceFolder _folder;
    private readonly Family _family;
    private readonly ModelKeys _keys;
    private readonly ModelSpec _spec;
    private readonly List<TensorCopy> _tensors = [];
    private readonly HuggingFaceTokenizer _tokenizer;

    private HuggingFaceModel(HuggingFaceFolder folder)
    {
        _folder = folder;
        _family = Family.Of(folder.Config);
        _keys = _family.ReadConfig(folder.Config);
        _spec = _family.MakeSpec(_keys);
        MapTensors();
        _tokenizer = HuggingFaceTokenizer.Read(folder.Path, folder.Config, _spec.VocabularySize);
    }

    /// <summary>Bytes of the tensors that are written.</summary>
    public long ByteCount => _tensors.Sum(tensor => tensor.ByteCount);

    /// <summary>What of the folder can't be kept, a line each.</summary>
    public IReadOnlyList<string> Notes => _tokenizer.Notes;

    /// <exception cref="ModelException">A file of the folder is missing, damaged or not understood; the message names it, and the field or tensor.</exception>
    /// <exception cref="IOException">A file can't be read.</exception>
    public static HuggingFaceModel Open(string folder)
    {
        HuggingFaceFolder files = HuggingFaceFolder.Open(folder);
        try
        {
            return new HuggingFaceModel(files);
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>Writes the GGUF file. Its time is that of the newest file with weights, so that the same folder makes the same file.</summary>
    /// <param name="advance">Gets the bytes written with each step.</param>
    /// <exception cref="ModelException">A weight is not finite. No file is left then.</exception>
    public void Save(string path, Action<long> advance, CancellationToken cancellation) => Save(path, tensor => output => tensor.Write(output, bytes =>
    {
        cancellation.ThrowIfCancellationRequested();
        advance(bytes);
    }));

    /// <summary>Writes the GGUF file with nothing but a hole where the weights would be: enough to plan with.</summary>
    public void SaveOutline(string path) => Save(path, tensor => output =>
    {
        output.Seek(tensor.ByteCount - 1, SeekOrigin.Current);
        output.WriteByte(0);
    });

    public void Dispose() => _folder.Dispose();

    private void Save(string path, Func<TensorCopy, Action<Stream>> write)
    {
        GgufWriter writer = MakeWriter(write);
        FileStream output = AtomicFile.CreateNew(path, path);
        try
        {
            using (output) writer.Write(output);
            File.SetLastWriteTimeUtc(path, _folder.Shards.Max(shard => File.GetLastWriteTimeUtc(shard.Path)));
        }
        catch (Exception exception)
        {
            File.Delete(path);
            if (FileException.IsFromFileSystem(exception)) throw FileException.Writing(path, exception);
            throw;
        }
    }

    private GgufWriter MakeWriter(Func<TensorCopy, Action<Stream>> write)
    {
        var writer = new GgufWriter();
        writer.Set("general.architecture", GgufValue.Of(_family.Architecture));
        writer.Set("general.type", GgufValue.Of("model"));
        ModelCard.Write(writer, _folder.Path);
        writer.Set("general.file_type", GgufValue.Of(FileType));
        _keys.Write(writer);
        TokenizerKeys.Write(writer, _tokenizer);
        if (_keys.RopeDivisors is { Count: > 0 } divisors)
            writer.SetTensor(TensorTable.Name(TensorRole.RopeDivisors), [divisors.Count], ElementType.F32, output => output.Write(MemoryMarshal.AsBytes(divisors.ToArray().AsSpan())));
        foreach (TensorCopy tensor in _tensors) writer.SetTensor(tensor.Target, tensor.Shape, tensor.Type, write(tensor));
        return writer;
    }

    /// <summary>llama.h's LLAMA_FTYPE of most of the weights.</summary>
    private uint FileType => _tensors.GroupBy(tensor => tensor.Type).MaxBy(group => group.Sum(tensor => tensor.ByteCount))!.Key switch
    {
        ElementType.F32 => 0,
        ElementType.F16 => 1,
        _ => 32,
    };

    private void MapTensors()
    {
        var used = new HashSet<string>();
        foreach (TensorUse use in TensorTable.Of(_spec).Where(use => use.Role != TensorRole.RopeDivisors))
        {
            string name = use.Entry.FolderNameIn(use.Layer);
            SafetensorsTensor tensor = Find(name) ?? throw new ModelException(_folder.Path, $"has no tensor {name}, which config.json asks for");
            used.Add(tensor.Name);
            _tensors.Add(TensorCopy.Of(tensor, use, _spec));
        }
        foreach (SafetensorsTensor tensor in _folder.Tensors.Values)
        {
            // Buffers are computed anew; a head that is tied is the embedding whatever lies under its name.
            bool isNoWeight = tensor.Name.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal) || _spec.IsTied && tensor.Name == "lm_head.weight";
            if (!used.Contains(tensor.Name) && !isNoWeight)
                throw new ModelException(tensor.File.Path, $"has the tensor {FolderFile.Printable(tensor.Name)}, which by config.json a model of type {_family.ModelType} has not");
        }
    }

    private SafetensorsTensor? Find(string name)
    {
        if (_folder.Tensors.TryGetValue(name, out SafetensorsTensor? tensor)) return tensor;
        return name.StartsWith(_family.Prefix, StringComparison.Ordinal) ? _folder.Tensors.GetValueOrDefault(name[_family.Prefix.Length..]) : null;
    }
}
