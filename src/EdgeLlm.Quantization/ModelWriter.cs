using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization;

/// <summary>Puts a model's new file together: the source's keys and its tensors, some as they are, some from whoever has their new bytes.</summary>
/// <param name="progress">Gets the bytes written so far.</param>
internal sealed class ModelWriter(GgufFile source, Action<long> progress, CancellationToken cancellation)
{
    private const int ChunkBytes = 16 << 20;

    private readonly GgufWriter _writer = new();
    private long _written;

    /// <summary>Adds a tensor in another type.</summary>
    /// <param name="write">Writes its bytes.</param>
    public void AddEncoded(GgufTensor tensor, ElementType type, Action<Stream> write) => _writer.SetTensor(tensor.Name, [.. tensor.Shape], type, write);

    /// <summary>Adds a tensor as it is in the source.</summary>
    public void AddCopy(GgufTensor tensor) => _writer.SetTensor(tensor.Name, [.. tensor.Shape], tensor.Type, output =>
    {
        for (long start = 0; start < tensor.ByteCount; start += ChunkBytes)
        {
            int count = (int)Math.Min(ChunkBytes, tensor.ByteCount - start);
            output.Write(source.Bytes(tensor, start, count));
            Advance(count);
        }
    });

    /// <summary>Tells that so many bytes more are written.</summary>
    public void Advance(long bytes)
    {
        cancellation.ThrowIfCancellationRequested();
        progress(_written += bytes);
    }

    /// <summary>Writes the file, first under another name beside its place.</summary>
    /// <param name="record">Keys that tell what was done.</param>
    public void Save(string path, IEnumerable<(string Key, GgufValue Value)> record)
    {
        foreach ((string key, GgufValue value) in source.Metadata)
        {
            if (!key.StartsWith("split.", StringComparison.Ordinal)) _writer.Set(key, value);
        }
        foreach ((string key, GgufValue value) in record) _writer.Set(key, value);
        _writer.Save(path);
    }
}
