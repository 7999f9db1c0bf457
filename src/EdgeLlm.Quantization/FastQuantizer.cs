using System.Runtime.ExceptionServices;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;

namespace EdgeLlm.Quantization;

/// <summary>
/// A model's file to a packed one without calibration: E4 with a sub-scale per 32 columns and a learned codebook for every matrix of a layer,
/// E8 for embedding and head; the rest as it is. Matrices whose rows are not whole blocks of 32 stay as they are too.
/// </summary>
internal sealed class FastQuantizer
{
    // llama.h's LLAMA_FTYPE_GUESSED, "not specified in the model file": it has no number for packed tensors.
    private const uint UnspecifiedFileType = 1024;

    private const int ChunkBytes = 16 << 20;

    private readonly GgufFile _file;
    private readonly GgufTensor[] _tensors;
    private long _written;

    /// <exception cref="ModelException">It is not a model that runs here, or one that is packed already.</exception>
    /// <exception cref="GgufException">A key of the model is missing or wrong.</exception>
    public FastQuantizer(GgufFile file)
    {
        _file = file;
        ModelLoader.ReadConfig(file);
        if (file.Tensors.FirstOrDefault(tensor => file.FindPacked(tensor.Name) is not null) is { } packed)
            throw new ModelException(file.Path, $"is packed already (tensor {packed.Name}): take the file that it was made from");
        bool tied = file.FindTensor(TensorOrder.Head) is null;
        _tensors = [.. file.Tensors.OrderBy(tensor => TensorOrder.Rank(tensor.Name, tied))];
        OutputBytes = _tensors.Sum(tensor => PackingOf(tensor) is var packing && packing == Packing.None
            ? tensor.ByteCount
            : new PackedLayout(packing, (int)tensor.Columns).ByteCount((int)tensor.Rows));
    }

    /// <summary>Bytes that the tensors are going to have.</summary>
    public long OutputBytes { get; }

    /// <summary>Writes the packed file, first under another name beside its place.</summary>
    /// <param name="progress">Gets the bytes written so far.</param>
    public void Save(string path, Action<long> progress, CancellationToken cancellation)
    {
        var writer = new GgufWriter();
        foreach ((string key, GgufValue value) in _file.Metadata)
        {
            if (!key.StartsWith("split.", StringComparison.Ordinal)) writer.Set(key, value);
        }
        writer.Set("general.file_type", GgufValue.Of(UnspecifiedFileType));
        Codebook[] codebooks = LearnCodebooks(cancellation);
        var packed = new List<PackedTensor>();
        for (int i = 0; i < _tensors.Length; i++)
        {
            GgufTensor tensor = _tensors[i];
            Codebook codebook = codebooks[i];
            Packing packing = PackingOf(tensor);
            if (packing == Packing.None)
            {
                writer.SetTensor(tensor.Name, [.. tensor.Shape], tensor.Type, output => Copy(tensor, output, progress, cancellation));
                continue;
            }
            var target = new PackedTensor(tensor.Name, packing, (int)tensor.Rows, (int)tensor.Columns, packing == Packing.E8Group32 ? default : codebook.Vector);
            packed.Add(target);
            writer.SetTensor(tensor.Name, [target.ByteCount], ElementType.I8, output => Pack(tensor, target.Layout, codebook, output, progress, cancellation));
        }
        PackedTensors.Write(writer, packed);
        _written = 0;
        writer.Save(path);
    }

    /// <summary>One for each tensor; only those of E4 are learned.</summary>
    private Codebook[] LearnCodebooks(CancellationToken cancellation)
    {
        var codebooks = new Codebook[_tensors.Length];
        ForAll(_tensors.Length, cancellation, i =>
        {
            Packing packing = PackingOf(_tensors[i]);
            codebooks[i] = packing is Packing.E4Group32 or Packing.E4Group16
                ? Codebook.Learn(new WeightRows(_file, _tensors[i]).Sample(), new PackedLayout(packing, (int)_tensors[i].Columns).ScaleColumns)
                : Codebook.Normal;
        });
        return codebooks;
    }

    private void Pack(GgufTensor tensor, PackedLayout layout, Codebook codebook, Stream output, Action<long> progress, CancellationToken cancellation)
    {
        var source = new WeightRows(_file, tensor);
        int groupBytes = checked((int)layout.GroupBytes), columns = layout.Columns;
        long groups = (tensor.Rows + PackedLayout.GroupRows - 1) / PackedLayout.GroupRows;
        int chunkGroups = (int)Math.Clamp(ChunkBytes / groupBytes, 1, groups);
        byte[] chunk = new byte[chunkGroups * groupBytes];
        for (long first = 0; first < groups; first += chunkGroups)
        {
            int count = (int)Math.Min(chunkGroups, groups - first);
            ForAll(count, cancellation, i =>
            {
                long row = (first + i) * PackedLayout.GroupRows;
                float[] rows = new float[Math.Min(PackedLayout.GroupRows, tensor.Rows - row) * columns];
                source.Read(row, rows);
                new GroupPacker(layout, codebook).Pack(rows, chunk.AsSpan(i * groupBytes, groupBytes));
            });
            output.Write(chunk, 0, count * groupBytes);
            progress(_written += count * (long)groupBytes);
        }
    }

    private void Copy(GgufTensor tensor, Stream output, Action<long> progress, CancellationToken cancellation)
    {
        for (long start = 0; start < tensor.ByteCount; start += ChunkBytes)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = (int)Math.Min(ChunkBytes, tensor.ByteCount - start);
            output.Write(_file.Bytes(tensor, start, count));
            progress(_written += count);
        }
    }

    /// <summary>On all cores; the first error as itself.</summary>
    private static void ForAll(int count, CancellationToken cancellation, Action<int> action)
    {
        try
        {
            Parallel.For(0, count, new ParallelOptions { CancellationToken = cancellation }, action);
        }
        catch (AggregateException exception)
        {
            ExceptionDispatchInfo.Throw(exception.InnerExceptions[0]);
        }
    }

    private Packing PackingOf(GgufTensor tensor)
    {
        if (tensor.Shape.Count != 2 || tensor.Columns % PackedLayout.BlockColumns != 0 || tensor.Rows > int.MaxValue || !WeightRows.CanRead(tensor.Type)) return Packing.None;
        if (tensor.Name is TensorOrder.Embedding or TensorOrder.Head) return Packing.E8Group32;
        return TensorOrder.IsLayerMatrix(tensor.Name) ? Packing.E4Group32 : Packing.None;
    }
}
