using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

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
        Codebook[] codebooks = LearnCodebooks(inputs, cancellation);
        for (int i = 0; i < plan.Tensors.Count; i++)
        {
            GgufTensor tensor = plan.Tensors[i];
            Codebook codebook = codebooks[i];
            Packing packing = plan.PackingOf(tensor.Name);
            if (packing == Packing.None)
            {
                writer.AddCopy(tensor);
                continue;
            }
            var target = new PackedTensor(tensor.Name, packing, (int)tensor.Rows, (int)tensor.Columns, packing == Packing.E8Group32 ? default : codebook.Vector);
            writer.AddPacked(target, output => Pack(tensor, target.Layout, codebook, inputs.Of(tensor.Name), output, writer, cancellation));
        }
        writer.Save(path, [("edgellm.quantization.method", GgufValue.Of(importance is null ? "rounded to nearest" : "rounded to nearest, with importance"))]);
    }

    /// <summary>One for each tensor; only those of E4 are learned.</summary>
    private Codebook[] LearnCodebooks(ImportanceMatrix inputs, CancellationToken cancellation)
    {
        var codebooks = new Codebook[plan.Tensors.Count];
        ParallelWork.ForAll(codebooks.Length, cancellation, i =>
        {
            GgufTensor tensor = plan.Tensors[i];
            Packing packing = plan.PackingOf(tensor.Name);
            codebooks[i] = packing is Packing.E4Group32 or Packing.E4Group16
                ? Codebook.Learn(new WeightRows(plan.File, tensor).Sample(SampleWeights), new PackedLayout(packing, (int)tensor.Columns).ScaleColumns, inputs.Of(tensor.Name))
                : Codebook.Normal;
        });
        return codebooks;
    }

    private void Pack(GgufTensor tensor, PackedLayout layout, Codebook codebook, float[]? means, Stream output, PackedModelWriter writer, CancellationToken cancellation)
    {
        ColumnImportance? columns = layout.HasCodebook && means is not null ? new ColumnImportance(means, layout.ScaleColumns) : null;
        new RowStream(plan.File, tensor, PackedLayout.GroupRows, layout.GroupBytes, (rows, group) => new GroupPacker(layout, codebook, columns).Pack(rows, group))
            .Write(output, writer.Advance, cancellation);
    }
}
