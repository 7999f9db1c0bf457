using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;

namespace EdgeLlm.Quantization;

/// <summary>Reads rows of a tensor of any type as floats.</summary>
internal sealed class WeightRows(GgufFile file, GgufTensor tensor)
{
    private readonly long _rowBytes = ElementFormat.ByteCount(tensor.Type, tensor.Columns);

    public static bool CanRead(ElementType type) => type is ElementType.F32 or ElementType.F16 or ElementType.BF16 || BlockUnpacker.CanUnpack(type);

    /// <summary>Fills <paramref name="destination"/> with whole rows.</summary>
    /// <exception cref="ModelException">A weight is infinite or not a number.</exception>
    public void Read(long firstRow, Span<float> destination)
    {
        long rows = destination.Length / tensor.Columns;
        Dequantizer.ToFloat(tensor.Type, file.Bytes(tensor, firstRow * _rowBytes, checked((int)(rows * _rowBytes))), destination);
        foreach (float weight in destination)
        {
            if (!float.IsFinite(weight)) throw new ModelException(file.Path, $"tensor {tensor.Name} has a weight that is not finite, near row {firstRow}");
        }
    }

    /// <summary>Rows spread evenly over the tensor, not more than some 32 thousand weights.</summary>
    public float[] Sample()
    {
        long rows = Math.Clamp(32_768 / tensor.Columns, 1, tensor.Rows);
        float[] sample = new float[rows * tensor.Columns];
        for (long row = 0; row < rows; row++)
            Read(row * tensor.Rows / rows, sample.AsSpan(checked((int)(row * tensor.Columns)), (int)tensor.Columns));
        return sample;
    }
}
