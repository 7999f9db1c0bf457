using System.Runtime.Intrinsics;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization.Rounding;

/// <summary>A matrix of floats to a packed one.</summary>
internal static class MatrixQuantizer
{
    /// <summary>Rounds under a curvature, with a codebook learned for it (E4), or each weight to the nearest (E8).</summary>
    /// <param name="weights">[rows, columns]</param>
    public static PackedMatrix Quantize(string name, float[] weights, int rows, Packing packing, Curvature curvature, int sweeps)
    {
        var layout = new PackedLayout(packing, curvature.Size);
        if (!layout.HasCodebook) return Plain(name, weights, rows, layout);
        LaneCodebook codebook = CodebookLearner.Learn(weights, rows, layout, curvature);
        var tensor = new PackedTensor(name, packing, rows, layout.Columns, Vector128.Create(codebook.Values));
        byte[] data = new byte[tensor.ByteCount];
        ForGroups(weights, rows, layout, () => new RowGroup(layout, curvature, codebook), (rounding, source, group) =>
        {
            rounding.Round(source.Span);
            rounding.Descend(sweeps);
            rounding.RefitRowScales();
            rounding.Write(data.AsSpan((int)(group * layout.GroupBytes), (int)layout.GroupBytes));
        });
        return new PackedMatrix(tensor, data);
    }

    /// <summary>Each weight to the nearest, by the weights alone.</summary>
    public static PackedMatrix Plain(string name, float[] weights, int rows, PackedLayout layout)
    {
        Codebook codebook = layout.HasCodebook ? Codebook.Learn(Sample(weights, rows), layout.ScaleColumns) : Codebook.Normal;
        var tensor = new PackedTensor(name, layout.Packing, rows, layout.Columns, layout.HasCodebook ? codebook.Vector : default);
        byte[] data = new byte[tensor.ByteCount];
        ForGroups(weights, rows, layout, () => new GroupPacker(layout, codebook), (packer, source, group) =>
            packer.Pack(source.Span, data.AsSpan((int)(group * layout.GroupBytes), (int)layout.GroupBytes)));
        return new PackedMatrix(tensor, data);
    }

    /// <summary>Rows spread evenly over the matrix, some 32 thousand weights: enough for 16 values.</summary>
    private static float[] Sample(float[] weights, int rows)
    {
        const int SampleWeights = 32_768;
        int columns = weights.Length / rows, count = Math.Clamp(SampleWeights / columns, 1, rows);
        float[] sample = new float[count * columns];
        for (int i = 0; i < count; i++) weights.AsSpan((int)((long)i * rows / count) * columns, columns).CopyTo(sample.AsSpan(i * columns));
        return sample;
    }

    /// <param name="create">Makes what a thread takes for all its groups.</param>
    private static void ForGroups<T>(float[] weights, int rows, PackedLayout layout, Func<T> create, Action<T, ReadOnlyMemory<float>, int> action)
    {
        int groups = (rows + PackedLayout.GroupRows - 1) / PackedLayout.GroupRows, columns = layout.Columns;
        Parallel.For(0, groups, create, (group, _, own) =>
        {
            int first = group * PackedLayout.GroupRows, count = Math.Min(PackedLayout.GroupRows, rows - first);
            action(own, weights.AsMemory(first * columns, count * columns), group);
            return own;
        }, static _ => { });
    }
}
