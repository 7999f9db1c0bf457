using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization;

/// <summary>Reads rows of a tensor of any type, or of a packed one, as floats.</summary>
internal sealed class WeightRows(GgufFile file, GgufTensor tensor)
{
    public static bool CanRead(GgufTensor tensor) =>
        tensor.Packed is not null || Finite.Knows(tensor.Type) || BlockUnpacker.CanUnpack(tensor.Type);

    /// <summary>Whether a tensor's weights are stored as something coarser than floats.</summary>
    public static bool AreQuantized(GgufTensor tensor) => tensor.Packed is not null || ElementFormat.Get(tensor.Type).ValuesPerBlock > 1;

    /// <summary>Fills <paramref name="destination"/> with whole rows.</summary>
    /// <exception cref="ModelException">A weight is infinite or not a number.</exception>
    public void Read(long firstRow, Span<float> destination)
    {
        bool areFinite;
        if (tensor.Packed is { } packed)
        {
            ReadPacked(packed, firstRow, destination);
            areFinite = Finite.All(destination);
        }
        else
        {
            long rows = destination.Length / tensor.Columns, rowBytes = ElementFormat.ByteCount(tensor.Type, tensor.Columns);
            ReadOnlySpan<byte> bytes = file.Bytes(tensor, firstRow * rowBytes, checked((int)(rows * rowBytes)));
            Dequantizer.ToFloat(tensor.Type, bytes, destination);
            areFinite = Finite.Knows(tensor.Type) ? Finite.All(tensor.Type, bytes) : Finite.All(destination);
        }
        if (!areFinite) throw new ModelException(file.Path, $"tensor {tensor.Name} has a weight that is not finite, near row {firstRow}");
    }

    private void ReadPacked(PackedTensor packed, long firstRow, Span<float> destination)
    {
        PackedLayout layout = packed.Layout;
        for (int start = 0; start < destination.Length; start += layout.Columns, firstRow++)
        {
            ReadOnlySpan<byte> group =
                file.Bytes(tensor, firstRow / PackedLayout.GroupRows * layout.GroupBytes, checked((int)layout.GroupBytes));
            PackedRows.ToFloat(layout, group, packed.Codebook, (int)(firstRow % PackedLayout.GroupRows),
                destination.Slice(start, layout.Columns));
        }
    }

    /// <summary>Rows spread evenly over the tensor, not more than that number of weights unless a row has more.</summary>
    public float[] Sample(int mostWeights)
    {
        long rows = Math.Clamp(mostWeights / tensor.Columns, 1, tensor.Rows);
        float[] sample = new float[rows * tensor.Columns];
        for (long row = 0; row < rows; row++)
            Read(row * tensor.Rows / rows, sample.AsSpan(checked((int)(row * tensor.Columns)), (int)tensor.Columns));
        return sample;
    }
}
