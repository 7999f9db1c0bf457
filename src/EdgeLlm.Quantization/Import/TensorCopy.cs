using System.Runtime.InteropServices;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Folders;

namespace EdgeLlm.Quantization.Import;

/// <summary>Writes a tensor of a folder as a GGUF file has it.</summary>
internal static class TensorCopy
{
    private const int ChunkBytes = 4 << 20;

    /// <param name="advance">Receives the bytes written with each step.</param>
    /// <exception cref="ModelException">A weight is infinite or not a number.</exception>
    public static void Write(ImportedTensor tensor, Stream output, Action<long> advance)
    {
        int rowBytes = checked((int)ElementFormat.ByteCount(tensor.Type, tensor.Columns)),
            chunkRows = (int)Math.Clamp(ChunkBytes / rowBytes, 1, tensor.Rows);
        bool isCopied = tensor.IsGathered || tensor.IsTransposed;
        byte[] moved = isCopied ? new byte[chunkRows * rowBytes] : [];
        float[] floats = tensor.IsVector ? new float[chunkRows] : [];
        for (long first = 0; first < tensor.Rows; first += chunkRows)
        {
            int count = (int)Math.Min(chunkRows, tensor.Rows - first);
            ReadOnlySpan<byte> chunk;
            if (tensor.IsVector)
            {
                tensor.Read(first, floats.AsSpan(0, count));
                chunk = MemoryMarshal.AsBytes(floats.AsSpan(0, count));
            }
            else if (tensor.IsTransposed) chunk = Transpose(tensor, first, count, moved);
            else chunk = isCopied ? Gather(tensor, first, count, rowBytes, moved) : tensor.Source.Bytes(first * rowBytes, count * rowBytes);
            if (Finite.Knows(tensor.Type) && !Finite.All(tensor.Type, chunk))
                throw tensor.Source.Error($"has a weight that is not finite, near row {first}");
            output.Write(chunk);
            advance(chunk.Length);
        }
    }

    /// <summary>Rows of the target, each from its place in the source.</summary>
    private static Span<byte> Gather(ImportedTensor tensor, long first, int count, int rowBytes, byte[] rows)
    {
        for (int i = 0; i < count; i++) tensor.CopyRow(first + i, rows.AsSpan(i * rowBytes, rowBytes));
        return rows.AsSpan(0, count * rowBytes);
    }

    /// <summary>Rows of the target, which are columns of the source.</summary>
    private static Span<byte> Transpose(ImportedTensor tensor, long first, int count, byte[] rows)
    {
        int size = (int)ElementFormat.ByteCount(tensor.SourceType, 1), columns = (int)tensor.Columns;
        for (int column = 0; column < columns; column++)
        {
            ReadOnlySpan<byte> source = tensor.Source.Bytes((column * tensor.Rows + first) * size, count * size);
            for (int i = 0; i < count; i++) source.Slice(i * size, size).CopyTo(rows.AsSpan((i * columns + column) * size));
        }
        return rows.AsSpan(0, count * columns * size);
    }
}
