using System.Runtime.InteropServices;
using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Spec;
using EdgeLlm.Quantization.Numerics;

namespace EdgeLlm.Quantization.Import;

/// <summary>A tensor of a folder on its way into a GGUF file: matrices as they are, vectors as F32, as ggml wants them.</summary>
/// <param name="Source">The tensor.</param>
/// <param name="Target">Its name in GGUF.</param>
/// <param name="Columns">The length of a row.</param>
/// <param name="Heads">The heads in each of which the rows are put in pairs; 0: no row moves.</param>
internal sealed record TensorCopy(SafetensorsTensor Source, string Target, ElementType SourceType, bool IsVector, long Rows, long Columns, int Heads)
{
    private const int ChunkBytes = 4 << 20;

    public ElementType Type => IsVector ? ElementType.F32 : SourceType;

    /// <summary>ggml's order of dimensions.</summary>
    public long[] Shape => IsVector ? [Rows] : [Columns, Rows];

    public long ByteCount => ElementFormat.ByteCount(Type, Columns) * Rows;

    /// <summary>A tensor of a folder as a model uses it, checked against what the config says of its shape.</summary>
    /// <exception cref="ModelException">Its type or shape is another.</exception>
    public static TensorCopy Of(SafetensorsTensor source, TensorUse use, ModelSpec model)
    {
        ElementType type = source.Type ?? throw Error(source, $"is {source.Kind}; weights are read as F32, F16 and BF16");
        bool isVector = !use.Entry.IsMatrix;
        long[] wanted = isVector ? [use.Columns] : [use.Rows, use.Columns];
        if (!source.Shape.AsSpan().SequenceEqual(wanted))
            throw Error(source, $"has the shape [{string.Join(", ", source.Shape)}]; by config.json it should have [{string.Join(", ", wanted)}]");
        int heads = use.Entry.RotatedHeads?.Invoke(model.Layers[use.Layer].Attention) ?? 0;
        return new TensorCopy(source, use.Name, type, isVector, isVector ? use.Columns : use.Rows, isVector ? 1 : use.Columns, heads);
    }

    /// <exception cref="ModelException">A weight is infinite or not a number.</exception>
    public void Write(Stream output, Action<long> advance)
    {
        int rowBytes = checked((int)ElementFormat.ByteCount(SourceType, Columns)), chunkRows = (int)Math.Clamp(ChunkBytes / rowBytes, 1, Rows);
        byte[] moved = Heads > 0 ? new byte[chunkRows * rowBytes] : [];
        float[] floats = IsVector ? new float[chunkRows] : [];
        for (long first = 0; first < Rows; first += chunkRows)
        {
            int count = (int)Math.Min(chunkRows, Rows - first);
            ReadOnlySpan<byte> chunk = Heads > 0 ? Gather(first, count, rowBytes, moved) : Source.Bytes(first * rowBytes, count * rowBytes);
            if (!Finite.All(SourceType, chunk)) throw Error(Source, $"has a weight that is not finite, near row {first}");
            if (IsVector)
            {
                Dequantizer.ToFloat(SourceType, chunk, floats.AsSpan(0, count));
                chunk = MemoryMarshal.AsBytes(floats.AsSpan(0, count));
            }
            output.Write(chunk);
            advance(chunk.Length);
        }
    }

    /// <summary>Rows of the target, each from its place in the source: 2 i + j of a head is j d/2 + i there.</summary>
    private Span<byte> Gather(long first, int count, int rowBytes, byte[] rows)
    {
        long dimension = Rows / Heads;
        for (int i = 0; i < count; i++)
        {
            long row = first + i, inHead = row % dimension, from = row - inHead + inHead % 2 * (dimension / 2) + inHead / 2;
            Source.Bytes(from * rowBytes, rowBytes).CopyTo(rows.AsSpan(i * rowBytes));
        }
        return rows.AsSpan(0, count * rowBytes);
    }

    private static ModelException Error(SafetensorsTensor tensor, string problem) => new(tensor.File.Path, $"tensor {FolderFile.Printable(tensor.Name)} {problem}");
}
