using System.Runtime.Intrinsics;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization.Rounding;

/// <summary>A matrix of floats to a packed one.</summary>
internal static class MatrixQuantizer
{
    private const int SampleWeights = 32_768; // enough for 16 values by the weights alone

    /// <summary>Rounds under a curvature, with a codebook learned for it (E4), or each weight to the nearest (E8).</summary>
    /// <param name="weights">[rows, columns]</param>
    public static PackedMatrix Quantize(string name, float[] weights, int rows, Packing packing, Curvature curvature, int sweeps)
    {
        var layout = new PackedLayout(packing, curvature.Size);
        if (!layout.HasCodebook) return Plain(name, weights, rows, layout);
        if (packing is Packing.E5Group32) return ByFeedback(name, weights, rows, layout, curvature, sweeps, default);
        LaneCodebook codebook = CodebookLearner.Learn(weights, rows, layout, curvature);
        var tensor = new PackedTensor(name, packing, rows, layout.Columns, PackedTensor.CodebookOf(codebook.Values));
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

    /// <summary>Rounds rows that do not make up for each other, on all threads.</summary>
    /// <param name="weights">[rows, columns], not rotated.</param>
    /// <param name="inputs">Of what the stored weights multiply.</param>
    public static PackedMatrix ByFeedback(string name, float[] weights, int rows, PackedLayout layout, Curvature inputs, int sweeps,
        CancellationToken cancellation)
    {
        const int PartRows = 1152, Weights = 150_000;
        int columns = layout.Columns;
        float[] importance = inputs.Importance();
        (Codebook codebook, RingCodebook? rings) = LearnTable(weights, rows, Weights, layout, importance);
        var tensor =
            new PackedTensor(name, layout.Packing, rows, columns, rings is null ? codebook.Vector : PackedTensor.CodebookOf(rings.Values))
            {
                IsRotated = layout.IsRotated,
            };
        byte[] data = new byte[tensor.ByteCount];
        ParallelWork.ForAll((rows + PartRows - 1) / PartRows, cancellation, part =>
        {
            int first = part * PartRows, count = Math.Min(PartRows, rows - first);
            var rounder =
                new TwoSidedRounder(layout, codebook, inputs, outputs: null, new ColumnImportance(importance, layout.ScaleColumns), rings);
            rounder.Round(name, weights[(first * columns)..((first + count) * columns)], count, sweeps,
                cancellation).Data.CopyTo(data.AsSpan((int)(first / PackedLayout.GroupRows * layout.GroupBytes)));
        });
        return new PackedMatrix(tensor, data);
    }

    /// <summary>Each weight to the nearest, by the weights alone.</summary>
    public static PackedMatrix Plain(string name, float[] weights, int rows, PackedLayout layout)
    {
        (Codebook codebook, RingCodebook? rings) = layout.HasCodebook ? LearnTable(weights, rows, SampleWeights, layout, default)
            : (Codebook.Normal, null);
        Vector256<sbyte> values = rings is not null ? PackedTensor.CodebookOf(rings.Values) : layout.HasCodebook
            ? codebook.Vector : default;
        var tensor = new PackedTensor(name, layout.Packing, rows, layout.Columns, values) { IsRotated = layout.IsRotated };
        byte[] data = new byte[tensor.ByteCount];
        ForGroups(weights, rows, layout, () => new GroupPacker(layout, codebook, rings: rings), (packer, source, group) =>
            packer.Pack(source.Span, data.AsSpan((int)(group * layout.GroupBytes), (int)layout.GroupBytes)));
        return new PackedMatrix(tensor, data);
    }

    /// <summary>The codebook, or for E3 the table of rings, that some of a matrix' weights ask for.</summary>
    /// <param name="weights">[rows, columns], not rotated.</param>
    /// <param name="importance">What errors of stored columns count, for E3 in the order of rings; empty: all alike.</param>
    public static (Codebook Codebook, RingCodebook? Rings) LearnTable(float[] weights, int rows, int most, PackedLayout layout,
        ReadOnlySpan<float> importance)
    {
        float[] sample = Sample(weights, rows, most);
        if (layout.IsRotated) Rotation.Store(sample);
        if (layout.Packing != Packing.E3Group32)
            return (Codebook.Learn(sample, layout.ScaleColumns, importance, layout.CodebookLength), null);
        RingCodebook.Order(sample);
        return (Codebook.Normal,
            RingCodebook.Learn(sample, importance.IsEmpty ? Enumerable.Repeat(1f, layout.Columns).ToArray() : importance));
    }

    /// <summary>Rows spread evenly over the matrix, about a given number of weights.</summary>
    public static float[] Sample(float[] weights, int rows, int most)
    {
        int columns = weights.Length / rows, count = Math.Clamp(most / columns, 1, rows);
        float[] sample = new float[count * columns];
        for (int i = 0; i < count; i++) weights.AsSpan((int)((long)i * rows / count) * columns, columns).CopyTo(sample.AsSpan(i * columns));
        return sample;
    }

    /// <param name="create">Makes what a thread takes for all its groups.</param>
    private static void ForGroups<T>(float[] weights, int rows, PackedLayout layout, Func<T> create,
        Action<T, ReadOnlyMemory<float>, int> action)
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
