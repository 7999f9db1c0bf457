using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization;

/// <summary>Puts a packed model's file together: the source's keys, its tensors in the order of use, packed ones from whoever has their bytes.</summary>
/// <param name="progress">Gets the bytes written so far.</param>
internal sealed class PackedModelWriter(QuantizationPlan plan, Action<long> progress, CancellationToken cancellation)
{
    // llama.h's LLAMA_FTYPE_GUESSED, "not specified in the model file": it has no number for packed tensors.
    private const uint UnspecifiedFileType = 1024;

    private const int ChunkBytes = 16 << 20;

    private readonly GgufWriter _writer = new();
    private readonly List<PackedTensor> _packed = [];
    private long _written;

    /// <summary>Adds a matrix in its packed form.</summary>
    /// <param name="write">Writes its bytes.</param>
    public void AddPacked(PackedTensor tensor, Action<Stream> write)
    {
        _packed.Add(tensor);
        _writer.SetTensor(tensor.Name, [tensor.ByteCount], ElementType.I8, write);
    }

    /// <summary>Adds a tensor as it is in the source.</summary>
    public void AddCopy(GgufTensor tensor) => _writer.SetTensor(tensor.Name, [.. tensor.Shape], tensor.Type, output =>
    {
        for (long start = 0; start < tensor.ByteCount; start += ChunkBytes)
        {
            int count = (int)Math.Min(ChunkBytes, tensor.ByteCount - start);
            output.Write(plan.File.Bytes(tensor, start, count));
            Advance(count);
        }
    });

    /// <summary>Adds a vector of floats under a tensor's name.</summary>
    public void AddVector(GgufTensor tensor, float[] numbers) => _writer.SetTensor(tensor.Name, [.. tensor.Shape], ElementType.F32, output =>
    {
        output.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(numbers));
        Advance(numbers.Length * sizeof(float));
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
        foreach ((string key, GgufValue value) in plan.File.Metadata)
        {
            if (!key.StartsWith("split.", StringComparison.Ordinal)) _writer.Set(key, value);
        }
        _writer.Set("general.file_type", GgufValue.Of(UnspecifiedFileType));
        foreach ((string key, GgufValue value) in record) _writer.Set(key, value);
        PackedTensors.Write(_writer, _packed);
        _writer.Save(path);
    }
}
