using System.Runtime.InteropServices;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Folders;
using EdgeLlm.Quantization.Numerics;

namespace EdgeLlm.Quantization.Import;

/// <summary>Writes a tensor of a folder as a GGUF file has it.</summary>
internal static class TensorCopy
{
    private const int ChunkBytes = 4 << 20;

    /// <param name="advance">Gets the bytes written with each step.</param>
    /// <exception cref="ModelException">A weight is infinite or not a number.</exception>
    public static void Write(ImportedTensor tensor, Stream output, Action<long> advance)
    {
        int rowBytes = checked((int)ElementFormat.ByteCount(tensor.SourceType, tensor.Columns)), chunkRows = (int)Math.Clamp(ChunkBytes / rowBytes, 1, tensor.Rows);
        byte[] moved = tensor.Heads > 0 ? new byte[chunkRows * rowBytes] : [];
        float[] floats = tensor.IsVector ? new float[chunkRows] : [];
        for (long first = 0; first < tensor.Rows; first += chunkRows)
        {
            int count = (int)Math.Min(chunkRows, tensor.Rows - first);
            ReadOnlySpan<byte> chunk = tensor.Heads > 0 ? Gather(tensor, first, count, rowBytes, moved) : tensor.Source.Bytes(first * rowBytes, count * rowBytes);
            if (!Finite.All(tensor.SourceType, chunk)) throw tensor.Source.Error($"has a weight that is not finite, near row {first}");
            if (tensor.IsVector)
            {
                Dequantizer.ToFloat(tensor.SourceType, chunk, floats.AsSpan(0, count));
                chunk = MemoryMarshal.AsBytes(floats.AsSpan(0, count));
            }
            output.Write(chunk);
            advance(chunk.Length);
        }
    }

    /// <summary>Rows of the target, each from its place in the source: 2 i + j of a head is j d/2 + i there.</summary>
    private static Span<byte> Gather(ImportedTensor tensor, long first, int count, int rowBytes, byte[] rows)
    {
        long dimension = tensor.Rows / tensor.Heads;
        for (int i = 0; i < count; i++)
        {
            long row = first + i, inHead = row % dimension, from = row - inHead + inHead % 2 * (dimension / 2) + inHead / 2;
            tensor.Source.Bytes(from * rowBytes, rowBytes).CopyTo(rows.AsSpan(i * rowBytes));
        }
        return rows.AsSpan(0, count * rowBytes);
    }
}
