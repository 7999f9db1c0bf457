using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization;

/// <summary>Writes a model in another form.</summary>
internal abstract class ModelQuantizer
{
    /// <summary>Writes the file, first under another name beside its place.</summary>
    /// <param name="progress">Receives what is being done and the share of the work that is done, 0 to 1.</param>
    /// <exception cref="ModelException">A weight is not finite, or the importance is another model's.</exception>
    public abstract void Save(string path, Action<string, double> progress, CancellationToken cancellation);
}

/// <summary>
/// Puts a model's new file together: the source's keys and its tensors, some as they are, some from whoever has their new bytes.
/// </summary>
internal sealed class ModelWriter
{
    /// <summary>Names of the matrices that are Q4_0 because they were trained for it.</summary>
    public const string LatticesKey = "edgellm.quantization.lattices";

    private const int ChunkBytes = 4 << 20;

    private readonly GgufFile _source;
    private readonly Action<long> _progress;
    private readonly CancellationToken _cancellation;
    private readonly GgufWriter _writer = new();
    private long _written;

    /// <param name="progress">Receives the bytes written so far.</param>
    public ModelWriter(GgufFile source, Action<long> progress, CancellationToken cancellation)
    {
        (_source, _progress, _cancellation) = (source, progress, cancellation);
        bool isPacked = source.Tensors.Any(tensor => tensor.Packed is not null);
        foreach ((string key, GgufValue value) in source.Metadata)
        {
            // What tells of the source's form is not true of the new file: its splits, its packed tensors and their alignment, how it was
            // quantized.
            bool isOfForm = key.StartsWith("split.", StringComparison.Ordinal) || PackedTensors.IsKey(key)
                || isPacked && key == GgufRules.AlignmentKey
                || key.StartsWith("edgellm.quantization.", StringComparison.Ordinal)
                || key.StartsWith("quantize.imatrix.", StringComparison.Ordinal);
            if (!isOfForm) _writer.Set(key, value);
        }
    }

    /// <summary>Adds a tensor.</summary>
    /// <param name="write">Writes its bytes.</param>
    public void Add(string name, ReadOnlySpan<long> shape, ElementType type, Action<Stream> write) =>
        _writer.SetTensor(name, shape, type, write);

    /// <summary>Adds a tensor as it is in the source.</summary>
    /// <exception cref="ModelException">When it is written: a weight is not finite.</exception>
    public void AddCopy(GgufTensor tensor) => Add(tensor.Name, [.. tensor.Shape], tensor.Type, output =>
    {
        RequireFinite(tensor);
        for (long start = 0; start < tensor.ByteCount; start += ChunkBytes)
        {
            int count = (int)Math.Min(ChunkBytes, tensor.ByteCount - start);
            output.Write(_source.Bytes(tensor, start, count));
            Advance(count);
        }
    });

    /// <summary>Sets a key; those of the source are there already.</summary>
    public void Set(string key, GgufValue value) => _writer.Set(key, value);

    /// <summary>Records that the source was quantized already.</summary>
    public void SetQuantizedAlready(string? type)
    {
        if (type is not null) Set("edgellm.quantization.requantized_from", GgufValue.Of(type));
    }

    /// <summary>Records which matrices kept the codes of Q4_0 that they were trained for.</summary>
    public void SetLattices(IReadOnlySet<string> names)
    {
        if (names.Count > 0) Set(LatticesKey, GgufValue.OfArray([.. names.Order(StringComparer.Ordinal)]));
    }

    /// <summary>Sets the keys of packed tensors.</summary>
    public void SetPacked(IReadOnlyList<PackedTensor> tensors) => PackedTensors.Write(_writer, tensors);

    /// <summary>Reports the number of bytes written since the last call.</summary>
    public void Advance(long bytes)
    {
        _cancellation.ThrowIfCancellationRequested();
        _progress(_written += bytes);
    }

    /// <summary>Writes the file, first under another name beside its place.</summary>
    public void Save(string path) => _writer.Save(path);

    private void RequireFinite(GgufTensor tensor)
    {
        if (!WeightRows.CanRead(tensor)) return;
        var rows = new WeightRows(_source, tensor);
        const long Weights = 1 << 16;
        int count = (int)Math.Clamp(Weights / tensor.Columns, 1, tensor.Rows);
        ParallelWork.ForAll((int)((tensor.Rows + count - 1) / count), _cancellation, block =>
            rows.Read((long)block * count, new float[Math.Min(count, tensor.Rows - (long)block * count) * tensor.Columns]));
    }
}
