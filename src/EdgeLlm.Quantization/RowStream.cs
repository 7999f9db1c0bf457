using System.Buffers;
using EdgeLlm.Gguf;

namespace EdgeLlm.Quantization;

/// <summary>Encodes some rows of floats.</summary>
/// <param name="rows">Whole rows: as many as a unit has, fewer only at the tensor's end.</param>
/// <param name="bytes">The unit's bytes, with whatever they held before.</param>
internal delegate void RowEncoder(ReadOnlySpan<float> rows, Span<byte> bytes);

/// <summary>
/// A tensor on its way from a file into another: read, encoded on all cores and written in order, a few megabytes at a time. While a chunk
/// is written the next one is encoded.
/// </summary>
/// <param name="unitRows">Rows that are encoded together.</param>
/// <param name="unitBytes">Bytes that they become.</param>
internal sealed class RowStream(GgufFile file, GgufTensor tensor, int unitRows, long unitBytes, RowEncoder encode)
{
    private const int ChunkBytes = 4 << 20;
    private const int TaskWeights = 1 << 16;

    private readonly WeightRows _source = new(file, tensor);
    private readonly int _unitBytes = checked((int)unitBytes);

    /// <param name="advance">Receives the bytes that were written.</param>
    /// <exception cref="ModelException">A weight is not finite.</exception>
    public void Write(Stream output, Action<long> advance, CancellationToken cancellation)
    {
        long units = (tensor.Rows + unitRows - 1) / unitRows;
        int taskUnits = (int)Math.Clamp(TaskWeights / (unitRows * tensor.Columns), 1, units);
        int chunkUnits = (int)Math.Min(units, Math.Max(1, ChunkBytes / ((long)taskUnits * _unitBytes)) * taskUnits);
        byte[][] chunks = [new byte[chunkUnits * _unitBytes], units > chunkUnits ? new byte[chunkUnits * _unitBytes] : []];
        Task writing = Task.CompletedTask;
        try
        {
            for (long first = 0, number = 0; first < units; first += chunkUnits, number++)
            {
                byte[] chunk = chunks[number % 2];
                int count = (int)Math.Min(chunkUnits, units - first);
                EncodeUnits(first, count, taskUnits, chunk, cancellation);
                writing.GetAwaiter().GetResult();
                writing = Task.Run(() => output.Write(chunk, 0, count * _unitBytes), CancellationToken.None);
                advance(count * (long)_unitBytes);
            }
        }
        finally
        {
            writing.GetAwaiter().GetResult(); // nothing may write on behind the caller's back
        }
    }

    private void EncodeUnits(long first, int count, int taskUnits, byte[] chunk, CancellationToken cancellation)
    {
        ParallelWork.ForAll((count + taskUnits - 1) / taskUnits, cancellation, task =>
        {
            int start = task * taskUnits, end = Math.Min(count, start + taskUnits), columns = (int)tensor.Columns;
            long row = (first + start) * unitRows;
            int rows = (int)Math.Min((long)(end - start) * unitRows, tensor.Rows - row);
            float[] buffer = ArrayPool<float>.Shared.Rent(rows * columns);
            Span<float> weights = buffer.AsSpan(0, rows * columns);
            _source.Read(row, weights);
            for (int unit = start; unit < end; unit++)
            {
                int offset = (unit - start) * unitRows * columns;
                encode(weights.Slice(offset, Math.Min(unitRows * columns, weights.Length - offset)),
                    chunk.AsSpan(unit * _unitBytes, _unitBytes));
            }
            ArrayPool<float>.Shared.Return(buffer);
        });
    }
}
