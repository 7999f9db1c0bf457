using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization.Rounding;

namespace EdgeLlm.Quantization;

/// <summary>Packs a model without calibration: every weight is rounded to the nearest, scales are searched, codebooks learned.</summary>
/// <param name="importance">What errors of each column count in that; null: what the weights alone say of it.</param>
internal sealed class FastQuantizer(QuantizationPlan plan, ImportanceMatrix? importance = null) : ModelQuantizer
{
    // Enough for 16 values; more of them do not move these.
    private const int SampleWeights = 16_384;

    /// <inheritdoc/>
    public override void Save(string path, Action<string, double> progress, CancellationToken cancellation)
    {
        foreach (GgufTensor tensor in plan.Tensors) importance?.RequireFit(tensor);
        ImportanceMatrix inputs = importance ?? InputEstimate.Of(plan.File, cancellation);
        var writer = new PackedModelWriter(plan, written => progress("packing", (double)written / plan.OutputBytes), cancellation);
        (Codebook Codebook, RingCodebook? Rings)[] tables = LearnTables(inputs, cancellation);
        for (int i = 0; i < plan.Tensors.Count; i++)
        {
            GgufTensor tensor = plan.Tensors[i];
            (Codebook codebook, RingCodebook? rings) = tables[i];
            Packing packing = plan.PackingOf(tensor.Name);
            if (packing == Packing.None)
            {
                writer.AddCopy(tensor);
                continue;
            }
            var target = new PackedTensor(tensor.Name, packing, (int)tensor.Rows, (int)tensor.Columns,
                packing == Packing.E8Group32 ? default : rings is null ? codebook.Vector : PackedTensor.CodebookOf(rings.Values))
            {
                IsRotated = plan.Rotates,
            };
            writer.AddPacked(target,
                output => Pack(tensor, target.Layout, codebook, rings, inputs.Of(tensor.Name), output, writer, cancellation));
        }
        writer.Save(path,
            [("edgellm.quantization.method",
                GgufValue.Of(importance is null ? "rounded to nearest" : "rounded to nearest, with importance"))]);
    }

    /// <summary>One for each tensor; only those of forms with one are learned.</summary>
    private (Codebook Codebook, RingCodebook? Rings)[] LearnTables(ImportanceMatrix inputs, CancellationToken cancellation)
    {
        var tables = new (Codebook, RingCodebook?)[plan.Tensors.Count];
        ParallelWork.ForAll(tables.Length, cancellation, i =>
        {
            GgufTensor tensor = plan.Tensors[i];
            Packing packing = plan.PackingOf(tensor.Name);
            PackedLayout layout = plan.LayoutOf(tensor.Name, (int)tensor.Columns);
            tables[i] = (Codebook.Normal, null);
            if (packing == Packing.None || !layout.HasCodebook) return;
            float[] sample = new WeightRows(plan.File, tensor).Sample(SampleWeights);
            tables[i] = MatrixQuantizer.LearnTable(sample, (int)(sample.Length / tensor.Columns), sample.Length, layout,
                packing == Packing.E3Group32 || layout.IsRotated ? default : inputs.Of(tensor.Name));
        });
        return tables;
    }

    private void Pack(GgufTensor tensor, PackedLayout layout, Codebook codebook, RingCodebook? rings, float[]? means, Stream output,
        PackedModelWriter writer, CancellationToken cancellation)
    {
        ColumnImportance? columns = layout is { HasCodebook: true, IsRotated: false } && means is not null
            ? new ColumnImportance(means, layout.ScaleColumns) : null;
        new RowStream(plan.File, tensor, PackedLayout.GroupRows, layout.GroupBytes,
            (rows, group) => new GroupPacker(layout, codebook, columns, rings).Pack(rows, group))
            .Write(output, writer.Advance, cancellation);
    }
}
