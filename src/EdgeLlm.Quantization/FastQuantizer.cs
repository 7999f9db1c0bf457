using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;

namespace EdgeLlm.Quantization;

/// <summary>Packs a model without calibration: every weight is rounded to the nearest, scales are searched, codebooks learned from the weights alone.</summary>
internal sealed class FastQuantizer(QuantizationPlan plan)
{
    private const int ChunkBytes = 16 << 20;

    /// <summary>Writes the packed file.</summary>
    /// <param name="progress">Gets the bytes written so far.</param>
    /// <exception cref="ModelException">A weight is not finite.</exception>
    public void Save(string path, Action<long> progress, CancellationToken cancellation)
    {
        var writer = new PackedModelWriter(plan, progress, cancellation);
        Codebook[] codebooks = LearnCodebooks(cancellation);
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
            writer.AddPacked(target, output => Pack(tensor, target.Layout, codebook, output, writer, cancellation));
        }
        writer.Save(path, [("edgellm.quantization.method", GgufValue.Of("rounded to nearest"))]);
    }

    /// <summary>One for each tensor; only those of E4 are learned.</summary>
    private Codebook[] LearnCodebooks(CancellationToken cancellation)
    {
        var codebooks = new Codebook[plan.Tensors.Count];
        ParallelWork.ForAll(codebooks.Length, cancellation, i =>
        {
            GgufTensor tensor = plan.Tensors[i];
            Packing packing = plan.PackingOf(tensor.Name);
            codebooks[i] = packing is Packing.E4Group32 or Packing.E4Group16
                ? Codebook.Learn(new WeightRows(plan.File, tensor).Sample(), new PackedLayout(packing, (int)tensor.Columns).ScaleColumns)
                : Codebook.Normal;
        });
        return codebooks;
    }

    private void Pack(GgufTensor tensor, PackedLayout layout, Codebook codebook, Stream output, PackedModelWriter writer, CancellationToken cancellation)
    {
        var source = new WeightRows(plan.File, tensor);
        int groupBytes = checked((int)layout.GroupBytes), columns = layout.Columns;
        long groups = (tensor.Rows + PackedLayout.GroupRows - 1) / PackedLayout.GroupRows;
        int chunkGroups = (int)Math.Clamp(ChunkBytes / groupBytes, 1, groups);
        byte[] chunk = new byte[chunkGroups * groupBytes];
        for (long first = 0; first < groups; first += chunkGroups)
        {
            int count = (int)Math.Min(chunkGroups, groups - first);
            ParallelWork.ForAll(count, cancellation, i =>
            {
                long row = (first + i) * PackedLayout.GroupRows;
                float[] rows = new float[Math.Min(PackedLayout.GroupRows, tensor.Rows - row) * columns];
                source.Read(row, rows);
                new GroupPacker(layout, codebook).Pack(rows, chunk.AsSpan(i * groupBytes, groupBytes));
            });
            output.Write(chunk, 0, count * groupBytes);
            writer.Advance(count * (long)groupBytes);
        }
    }
}
