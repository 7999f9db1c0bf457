using System.Globalization;
using System.Numerics.Tensors;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization.Standard;

/// <summary>Writes a model as a GGUF file of a standard type, tensor by tensor.</summary>
/// <param name="importance">What scales are searched with, or null.</param>
internal sealed class StandardQuantizer(StandardPlan plan, ImportanceMatrix? importance) : ModelQuantizer
{
    // ggml.h's GGML_QNT_VERSION: the layouts of the quantized types as they have been since 2023.
    private const uint QuantizationVersion = 2;

    /// <inheritdoc/>
    public override void Save(string path, Action<string, double> progress, CancellationToken cancellation)
    {
        foreach (GgufTensor tensor in plan.Tensors) importance?.RequireFit(tensor);
        var output = new ModelWriter(plan.File, written => progress("writing", (double)written / plan.OutputBytes), cancellation);
        foreach (GgufTensor tensor in plan.Tensors)
        {
            ElementType type = plan.TypeOf(tensor);
            if (type == tensor.Type) output.AddCopy(tensor);
            else if (plan.Lattices.Contains(tensor.Name))
                output.Add(tensor.Name, [.. tensor.MatrixShape], type,
                    stream => Q4Lattice.Write(plan.File, tensor, stream, output.Advance, cancellation));
            else output.Add(tensor.Name, [.. tensor.MatrixShape], type, stream => Encode(tensor, type, stream, output, cancellation));
        }
        output.SetLattices(plan.Lattices);
        output.SetQuantizedAlready(plan.QuantizedAlready);
        foreach ((string key, GgufValue value) in Record()) output.Set(key, value);
        output.Save(path);
    }

    private void Encode(GgufTensor tensor, ElementType type, Stream stream, ModelWriter output, CancellationToken cancellation)
    {
        float[] means = importance?.Of(tensor.Name) ?? [];
        new RowStream(plan.File, tensor, unitRows: 1, ElementFormat.ByteCount(type, tensor.Columns),
            (row, bytes) =>
            {
                BlockEncoder.Encode(type, row, means, bytes);
                RequireHeld(tensor, type, row, bytes);
            }).Write(stream, output.Advance, cancellation);
    }

    /// <summary>
    /// Halves end at 65,504, and so do the scales of blocks: a weight beyond what a type can hold would become infinite, or another one.
    /// </summary>
    private void RequireHeld(GgufTensor tensor, ElementType type, ReadOnlySpan<float> row, ReadOnlySpan<byte> bytes)
    {
        const float LargestHalf = 65504;
        float largest = TensorPrimitives.MaxMagnitude(row);
        bool isHeld = Finite.Knows(type) ? Finite.All(type, bytes)
            : MathF.Abs(largest) <= LargestHalf * (type == ElementType.Q8_0 ? 127 : 7);
        if (!isHeld)
            throw new ModelException(plan.File.Path,
                string.Create(CultureInfo.InvariantCulture,
                    $"tensor {tensor.Name} has the weight {largest}, which {ElementFormat.Get(type).Name} can't hold: take --type f32"));
    }

    /// <summary>Keys that tell what was done; those of the importance matrix as llama-quantize calls them.</summary>
    private IEnumerable<(string Key, GgufValue Value)> Record()
    {
        yield return ("general.quantization_version", GgufValue.Of(QuantizationVersion));
        yield return ("general.file_type", GgufValue.Of(StandardMix.FileTypeOf(plan.Type)));
        yield return ("edgellm.quantization.method", GgufValue.Of(
            importance is null ? $"{ElementFormat.Get(plan.Type).Name}, scales searched"
                : $"{ElementFormat.Get(plan.Type).Name}, scales searched with importance"));
        if (importance is null) yield break;
        yield return ("quantize.imatrix.file", GgufValue.Of(importance.Name));
        yield return ("quantize.imatrix.dataset", GgufValue.Of(importance.Dataset));
        yield return ("quantize.imatrix.entries_count", GgufValue.Of((uint)importance.Count));
        yield return ("quantize.imatrix.chunks_count", GgufValue.Of((uint)importance.Chunks));
    }
}
