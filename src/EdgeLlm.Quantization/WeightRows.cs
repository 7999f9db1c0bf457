using System.Runtime.Intrinsics;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;

namespace EdgeLlm.Quantization;

/// <summary>Reads rows of a tensor of any type, or of a packed one, as floats.</summary>
internal sealed class WeightRows(GgufFile file, GgufTensor tensor)
{
    public static bool CanRead(GgufTensor tensor) =>
        tensor.Packed is not null || tensor.Type is ElementType.F32 or ElementType.F16 or ElementType.BF16 || BlockUnpacker.CanUnpack(tensor.Type);

    /// <summary>Whether a tensor's weights are stored as something coarser than floats.</summary>
    public static bool AreQuantized(GgufTensor tensor) => tensor.Packed is not null || ElementFormat.Get(tensor.Type).ValuesPerBlock > 1;

    /// <summary>Fills <paramref name="destination"/> with whole rows.</summary>
    /// <exception cref="ModelException">A weight is infinite or not a number.</exception>
    public void Read(long firstRow, Span<float> destination)
    {
        if (tensor.Packed is { } packed)
        {
            ReadPacked(packed, firstRow, destination);
        }
        else
        {
            long rows = destination.Length / tensor.Columns, rowBytes = ElementFormat.ByteCount(tensor.Type, tensor.Columns);
            Dequantizer.ToFloat(tensor.Type, file.Bytes(tensor, firstRow * rowBytes, checked((int)(rows * rowBytes))), destination);
        }
        if (!AreFinite(destination)) throw new ModelException(file.Path, $"tensor {tensor.Name} has a weight that is not finite, near row {firstRow}");
    }

    private void ReadPacked(PackedTensor packed, long firstRow, Span<float> destination)
    {
        PackedLayout layout = packed.Layout;
        for (int start = 0; start < destination.Length; start += layout.Columns, firstRow++)
        {
            ReadOnlySpan<byte> group = file.Bytes(tensor, firstRow / PackedLayout.GroupRows * layout.GroupBytes, checked((int)layout.GroupBytes));
            PackedRows.ToFloat(layout, group, packed.Codebook, (int)(firstRow % PackedLayout.GroupRows), destination.Slice(start, layout.Columns));
        }
    }

    private static bool AreFinite(ReadOnlySpan<float> weights)
    {
        // Infinities and NaNs have all bits of the exponent.
        Vector256<int> exponent = Vector256.Create(0x7F80_0000), found = Vector256<int>.Zero;
        int k = 0;
        for (; k + 8 <= weights.Length; k += 8) found |= Vector256.Equals(Vector256.Create(weights[k..]).AsInt32() & exponent, exponent);
        for (; k < weights.Length; k++)
        {
            if (!float.IsFinite(weights[k])) return false;
        }
        return found == Vector256<int>.Zero;
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
