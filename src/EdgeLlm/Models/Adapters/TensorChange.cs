using System.Numerics;
using System.Runtime.CompilerServices;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Models.Adapters;

/// <summary>Change of one tensor of the model by an adapter, in the order of rows and columns that the model runs in.</summary>
internal sealed unsafe class TensorChange
{
    /// <summary>Added to a matrix's product.</summary>
    public LowRank? LowRank { get; set; }

    /// <summary>Changes of a stack's matrices, one an expert; null: none of them changes.</summary>
    public LowRank?[]? Experts { get; set; }

    /// <summary>Takes the matrix's place.</summary>
    public WeightMatrix? Whole { get; set; }

    /// <summary>Takes a vector's place; null: it stays.</summary>
    public float* Vector { get; set; }
}

/// <summary>factor * B A, a change of a matrix [rows, columns].</summary>
/// <param name="a">[rank, columns]; of an embedding [rank, tokens].</param>
/// <param name="tiles">B as <see cref="AdapterMemory.Tile"/> stores it: a product with it adds up lines, and no row has a sum of its own to
/// make.</param>
/// <param name="rows">Rows of the matrix that changes.</param>
/// <param name="factor">By alpha and rank.</param>
internal sealed unsafe class LowRank(WeightMatrix a, WeightMatrix tiles, int rows, float factor)
{
    /// <summary>Rows of B that are stored together.</summary>
    public const int TileRows = 32;

    private const int BlockRows = 256;
    private const int TileRanks = 64; // lines of a tile that are widened at once

    public WeightMatrix A => a;

    public float Factor => factor;

    public int Rank => a.Rows;

    /// <summary>Rows of the matrix that changes.</summary>
    public int Rows => rows;

    /// <summary>DoRA: magnitude / norm of each row of the changed matrix, [rows]; null: rows keep what they have.</summary>
    public float* RowFactors { get; set; }

    /// <summary>A number of B.</summary>
    public float B(int row, int k)
    {
        float value;
        Dequantizer.ToFloat(tiles.Type, tiles.Row(row / TileRows * Rank + k) + row % TileRows * (tiles.RowBytes / TileRows), &value, 1);
        return value;
    }

    /// <summary>Whether <see cref="Add"/> can be used: a chain is no longer than what is widened at once, and rows have no factors.</summary>
    public bool AddsAtOnce => Rank <= TileRanks && RowFactors == null;

    /// <summary>
    /// sums[t, row - firstRow] = the sum over k of B[row, k] * reduced[t, k], a chain of fused multiply-adds in order of k.
    /// </summary>
    /// <param name="reduced">[tokens, rank].</param>
    /// <param name="sums">Rows of <paramref name="stride"/> numbers.</param>
    public void Expand(float* reduced, int tokens, float* sums, nint stride, int firstRow, int endRow) =>
        Expand(reduced, tokens, sums, stride, firstRow, endRow, adds: false);

    /// <summary>y[t, row - firstRow] += what <see cref="Expand(float*, int, float*, nint, int, int)"/> makes, with the same bits.</summary>
    /// <param name="y">Rows of <paramref name="stride"/> numbers.</param>
    public void Add(float* reduced, int tokens, float* y, nint stride, int firstRow, int endRow) =>
        Expand(reduced, tokens, y, stride, firstRow, endRow, adds: true);

    [SkipLocalsInit]
    private void Expand(float* reduced, int tokens, float* sums, nint stride, int firstRow, int endRow, bool adds)
    {
        float* numbers = stackalloc float[TileRanks * TileRows];
        float* whole = stackalloc float[TileRows];
        for (int row = firstRow, count; row < endRow; row += count)
        {
            int before = row % TileRows;
            count = Math.Min(TileRows - before, endRow - row);
            for (int k = 0; k < Rank; k += TileRanks)
            {
                int lines = Math.Min(TileRanks, Rank - k);
                byte* stored = tiles.Row(row / TileRows * Rank + k);
                float* tile = numbers;
                if (tiles.Type == ElementType.F32) tile = (float*)stored;
                else Dequantizer.ToFloat(tiles.Type, stored, numbers, lines * TileRows);
                for (int t = 0; t < tokens; t++)
                {
                    float* to = sums + t * stride + row - firstRow;
                    if (count == TileRows)
                    {
                        AddTile(tile, reduced + (nint)t * Rank + k, lines, to, k == 0, adds);
                        continue;
                    }
                    Buffer.MemoryCopy(to, whole + before, 4L * count, 4L * count);
                    AddTile(tile, reduced + (nint)t * Rank + k, lines, whole, k == 0, adds);
                    Buffer.MemoryCopy(whole + before, to, 4L * count, 4L * count);
                }
            }
        }
    }

    /// <summary>
    /// sums[i] becomes the sum over k of factors[k] * tile[k, i], in registers: from 0 on, or continued, or added to what is there.
    /// </summary>
    private static void AddTile(float* tile, float* factors, int lines, float* sums, bool isFirst, bool adds)
    {
        int width = Vector<float>.Count, part = 4 * width, i = 0;
        for (; i <= TileRows - part; i += part)
        {
            Vector<float> a = Vector<float>.Zero, b = a, c = a, d = a;
            if (!isFirst)
                (a, b, c, d) = (Vector.Load(sums + i), Vector.Load(sums + i + width), Vector.Load(sums + i + 2 * width),
                    Vector.Load(sums + i + 3 * width));
            float* line = tile + i;
            for (int k = 0; k < lines; k++, line += TileRows)
            {
                var factor = new Vector<float>(factors[k]);
                a = Vector.FusedMultiplyAdd(factor, Vector.Load(line), a);
                b = Vector.FusedMultiplyAdd(factor, Vector.Load(line + width), b);
                c = Vector.FusedMultiplyAdd(factor, Vector.Load(line + 2 * width), c);
                d = Vector.FusedMultiplyAdd(factor, Vector.Load(line + 3 * width), d);
            }
            if (adds)
                (a, b, c, d) = (Vector.Load(sums + i) + a, Vector.Load(sums + i + width) + b, Vector.Load(sums + i + 2 * width) + c,
                    Vector.Load(sums + i + 3 * width) + d);
            a.Store(sums + i);
            b.Store(sums + i + width);
            c.Store(sums + i + 2 * width);
            d.Store(sums + i + 3 * width);
        }
        for (; i < TileRows; i++) // vectors that are wider than a quarter of a tile
        {
            float sum = isFirst ? 0 : sums[i];
            for (int k = 0; k < lines; k++) sum = MathF.FusedMultiplyAdd(factors[k], tile[k * TileRows + i], sum);
            sums[i] = adds ? sums[i] + sum : sum;
        }
    }

    /// <summary>scale * factor * B A[:, token], added to a row of an embedding.</summary>
    public void AddColumn(int token, float* row, float scale)
    {
        float* column = stackalloc float[Rank];
        float* sums = stackalloc float[BlockRows];
        for (int k = 0; k < Rank; k++)
        {
            Dequantizer.ToFloat(a.Type, a.Row(k) + token * (a.RowBytes / a.Columns), column + k, 1);
            column[k] *= scale * factor;
        }
        for (int first = 0; first < Rows; first += BlockRows)
        {
            int end = Math.Min(first + BlockRows, Rows);
            Expand(column, 1, sums, BlockRows, first, end);
            for (int r = first; r < end; r++) row[r] += sums[r - first];
        }
    }

    /// <summary>x = fma(scale, y, x), number by number: the same bits at any width of vector.</summary>
    public static void AddScaled(Span<float> x, ReadOnlySpan<float> y, float scale)
    {
        int i = 0;
        var factor = new Vector<float>(scale);
        for (; i <= x.Length - Vector<float>.Count; i += Vector<float>.Count)
            Vector.FusedMultiplyAdd(factor, new Vector<float>(y[i..]), new Vector<float>(x[i..])).CopyTo(x[i..]);
        for (; i < x.Length; i++) x[i] = MathF.FusedMultiplyAdd(scale, y[i], x[i]);
    }
}

/// <summary>
/// Memory of what an adapter has in another order than its file; the part that is stored as it runs stays in the file's map.
/// </summary>
internal sealed unsafe class AdapterMemory : IDisposable
{
    private readonly List<AlignedBuffer> _buffers = [];

    public long Bytes => _buffers.Sum(buffer => buffer.Bytes);

    public float* Floats(long count) => (float*)New(checked(count * sizeof(float)));

    /// <summary>A matrix whose number (row, column) is the tensor's at an index; 0 where that is negative.</summary>
    public WeightMatrix Gather(AdapterTensor tensor, int rows, int columns, Func<long, long, long> index)
    {
        byte* to = New(checked((long)rows * columns * tensor.Size)), from = (byte*)tensor.Data;
        for (long row = 0; row < rows; row++)
        {
            for (long column = 0; column < columns; column++)
            {
                long source = index(row, column), place = row * columns + column;
                if (tensor.Size == 4) ((uint*)to)[place] = source < 0 ? 0 : ((uint*)from)[source];
                else ((ushort*)to)[place] = source < 0 ? (ushort)0 : ((ushort*)from)[source];
            }
        }
        return new WeightMatrix(to, tensor.Type, rows, columns);
    }

    /// <summary>
    /// B [rows, rank] of a change in tiles of 32 rows, of each its columns one after the other: [tiles * rank, 32]. What a thread reads for
    /// some rows is one stream. Rows after the last are 0.
    /// </summary>
    /// <param name="rowOf">Row of the tensor for a row of the matrix that changes.</param>
    public WeightMatrix Tile(AdapterTensor tensor, int rows, int rank, Func<long, long> rowOf) =>
        Gather(tensor, (rows + LowRank.TileRows - 1) / LowRank.TileRows * rank, LowRank.TileRows, (line, column) =>
            line / rank * LowRank.TileRows + column is var row && row < rows ? rowOf(row) * rank + line % rank : -1);

    public void Dispose() => _buffers.ForEach(buffer => buffer.Dispose());

    private byte* New(long bytes)
    {
        var buffer = new AlignedBuffer(bytes);
        _buffers.Add(buffer);
        return buffer.Start;
    }
}
