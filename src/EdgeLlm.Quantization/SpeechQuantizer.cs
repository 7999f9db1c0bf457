using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization;

/// <summary>
/// Packs a recognizer: what multiplies the encoder's frames in 8 bits (errors of all its layers add up in every frame), the embedding,
/// which is the head too, in 8, the decoder's layers in 8 or 4. Weights are rounded to the nearest; convolutions of odd widths, positions and
/// vectors stay as they are.
/// </summary>
/// <param name="file">A recognizer: a folder's view or a GGUF file.</param>
internal sealed class SpeechQuantizer(GgufFile file, Packing encoder = Packing.E8Group32, Packing decoder = Packing.E8Group32,
    Packing embedding = Packing.E8Group32)
{
    private const int SampleWeights = 16_384;

    /// <summary>Bytes of the tensors of the file that is written.</summary>
    public long OutputBytes =>
        file.Tensors.Sum(tensor => PackingOf(tensor) is var packing && packing == Packing.None ? tensor.ByteCount
            : MatrixOf(tensor, packing).ByteCount);

    /// <summary>Packing of a tensor; None: it stays as it is.</summary>
    public Packing PackingOf(GgufTensor tensor)
    {
        string name = tensor.Name;
        bool isMatrix = (tensor.Packed is not null || tensor.Shape.Count >= 2) && tensor.Rows > 1
            && name.EndsWith(".weight", StringComparison.Ordinal);
        if (!isMatrix || !WeightRows.CanRead(tensor) || name.Contains("position_embd", StringComparison.Ordinal)) return Packing.None;
        if (ColumnsOf(tensor) % PackedLayout.BlockColumns != 0) return Packing.None;
        return name.StartsWith("enc.", StringComparison.Ordinal) ? encoder
            : name.StartsWith("dec.", StringComparison.Ordinal) ? decoder : embedding;
    }

    /// <summary>Writes the file, first under another name beside its place.</summary>
    /// <param name="progress">Receives what is being done and the share of the work that is done, 0 to 1.</param>
    /// <exception cref="ModelException">A weight is not finite.</exception>
    public void Save(string path, Action<string, double> progress, CancellationToken cancellation)
    {
        long total = OutputBytes;
        var writer = new ModelWriter(file, written => progress("packing", (double)written / total), cancellation);
        var packed = new List<PackedTensor>();
        foreach (GgufTensor tensor in file.Tensors)
        {
            Packing packing = PackingOf(tensor);
            if (packing == Packing.None)
            {
                if (tensor.Packed is { } already) packed.Add(already);
                writer.AddCopy(tensor);
                continue;
            }
            GgufTensor matrix = AsMatrix(tensor);
            PackedTensor target = MatrixOf(tensor, packing);
            Codebook codebook = Codebook.Normal;
            if (target.Layout.HasCodebook)
            {
                codebook = Codebook.Learn(new WeightRows(file, matrix).Sample(SampleWeights), target.Layout.ScaleColumns, default,
                    target.Layout.CodebookLength);
                target = target with { Codebook = codebook.Vector };
            }
            packed.Add(target);
            writer.Add(tensor.Name, [target.ByteCount], ElementType.I8, output =>
                new RowStream(file, matrix, PackedLayout.GroupRows, target.Layout.GroupBytes,
                    (rows, group) => new GroupPacker(target.Layout, codebook).Pack(rows, group))
                    .Write(output, writer.Advance, cancellation));
        }
        const uint UnspecifiedFileType = 1024;
        writer.Set("general.file_type", GgufValue.Of(UnspecifiedFileType));
        writer.Set("edgellm.quantization.method", GgufValue.Of("rounded to nearest"));
        if (packed.Count > 0) writer.SetPacked(packed);
        writer.Save(path);
    }

    /// <summary>Numbers of an output's inputs: a convolution's are those of all its taps.</summary>
    private static long ColumnsOf(GgufTensor tensor) =>
        tensor.Packed is null && tensor.Shape.Count == 3 ? tensor.Shape[0] * tensor.Shape[1] : tensor.Columns;

    private static PackedTensor MatrixOf(GgufTensor tensor, Packing packing)
    {
        long columns = ColumnsOf(tensor);
        return new PackedTensor(tensor.Name, packing, checked((int)(tensor.Rows * tensor.Columns / columns)),
            checked((int)columns), default);
    }

    /// <summary>A tensor's bytes as a matrix, with the inputs of an output in one row.</summary>
    private static GgufTensor AsMatrix(GgufTensor tensor)
    {
        long columns = ColumnsOf(tensor);
        return columns == tensor.Columns ? tensor
            : new GgufTensor(tensor.Name, [columns, tensor.Rows * tensor.Columns / columns], tensor.Type, tensor.Offset, tensor.ByteCount,
                tensor.FileIndex)
            { Converted = tensor.Converted };
    }
}
