using System.Runtime.InteropServices;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization;

/// <summary>
/// Puts a packed model's file together: the source's keys, its tensors in the order of use, packed ones from whoever has their bytes.
/// </summary>
/// <param name="progress">Receives the bytes written so far.</param>
internal sealed class PackedModelWriter(QuantizationPlan plan, Action<long> progress, CancellationToken cancellation)
{
    // llama.h's LLAMA_FTYPE_GUESSED, "not specified in the model file": it has no number for packed tensors.
    private const uint UnspecifiedFileType = 1024;

    private readonly ModelWriter _writer = new(plan.File, progress, cancellation);
    private readonly List<PackedTensor> _packed = [];

    /// <summary>Adds a matrix in its packed form.</summary>
    /// <param name="write">Writes its bytes.</param>
    public void AddPacked(PackedTensor tensor, Action<Stream> write)
    {
        IReadOnlyList<long> shape = plan.File.FindTensor(tensor.Name)!.MatrixShape;
        _packed.Add(shape.Count == 3 ? tensor with { Experts = (int)shape[2] } : tensor);
        _writer.Add(tensor.Name, [tensor.ByteCount], ElementType.I8, write);
    }

    /// <summary>Adds a tensor as it is in the source, or as Q4_0 where the plan keeps it on that lattice.</summary>
    public void AddCopy(GgufTensor tensor)
    {
        if (plan.Lattices.Contains(tensor.Name))
        {
            _writer.Add(tensor.Name, [.. tensor.MatrixShape], ElementType.Q4_0,
                output => Q4Lattice.Write(plan.File, tensor, output, Advance, cancellation));
            return;
        }
        if (tensor.Packed is { } packed) _packed.Add(packed);
        _writer.AddCopy(tensor);
    }

    /// <summary>Adds a vector of floats under a tensor's name.</summary>
    public void AddVector(GgufTensor tensor, float[] numbers) => _writer.Add(tensor.Name, [.. tensor.Shape], ElementType.F32, output =>
    {
        output.Write(MemoryMarshal.AsBytes<float>(numbers));
        Advance(numbers.Length * sizeof(float));
    });

    /// <summary>Reports the number of bytes written since the last call.</summary>
    public void Advance(long bytes) => _writer.Advance(bytes);

    /// <summary>Writes the file, first under another name beside its place.</summary>
    /// <param name="record">Keys that tell what was done.</param>
    public void Save(string path, IEnumerable<(string Key, GgufValue Value)> record)
    {
        _writer.Set("general.file_type", GgufValue.Of(UnspecifiedFileType));
        _writer.SetQuantizedAlready(plan.QuantizedAlready);
        foreach ((string key, GgufValue value) in record) _writer.Set(key, value);
        if (plan.PredictedDivergence is { } divergence)
            _writer.Set("edgellm.quantization.predicted_divergence", GgufValue.Of((float)divergence));
        _writer.SetLattices(plan.Lattices);
        _writer.SetPacked(_packed);
        _writer.Save(path);
    }
}
