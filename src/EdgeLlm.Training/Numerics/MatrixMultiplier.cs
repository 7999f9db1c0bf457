using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using EdgeLlm.Kernels.Vectors;

namespace EdgeLlm.Training.Numerics;

/// <summary>
/// Products of float matrices, in blocks that stay in the caches and tiles of 6 x 16 that stay in registers (Goto and van de Geijn,
/// "Anatomy of high-performance matrix multiplication", 2008). Strides are free, so that any factor may be transposed.
/// </summary>
internal static class MatrixMultiplier
{
    private const int TileRows = 6;
    private const int TileColumns = 16;
    private const int BlockRows = 96;
    private const int BlockDepth = 256;

    /// <summary>c = a b, or c += a b, on all cores. The elements of a row of c are side by side.</summary>
    /// <param name="upperOnly">Of a symmetric product only the tiles that reach the diagonal or are right of it are computed.</param>
    public static void Multiply(MatrixView a, MatrixView b, MatrixView c, bool accumulate = false, bool upperOnly = false) =>
        Run(a, b, c, accumulate, upperOnly, parallel: true);

    /// <summary>Multiplies on this thread alone: for work that is parallel already.</summary>
    public static void MultiplyHere(MatrixView a, MatrixView b, MatrixView c, bool accumulate = false) =>
        Run(a, b, c, accumulate, upperOnly: false, parallel: false);

    private static void Run(MatrixView a, MatrixView b, MatrixView c, bool accumulate, bool upperOnly, bool parallel)
    {
        if (a.Columns != b.Rows || a.Rows != c.Rows || b.Columns != c.Columns || c.ColumnStride != 1)
            throw new ArgumentException("the shapes do not fit");
        int panels = (b.Columns + TileColumns - 1) / TileColumns, cores = parallel ? Environment.ProcessorCount : 1;
        // As many blocks for each core, about as large as each other.
        int blocks = ((a.Rows + BlockRows - 1) / BlockRows + cores - 1) / cores * cores;
        int blockRows = ((a.Rows + blocks - 1) / blocks + TileRows - 1) / TileRows * TileRows;
        blocks = (a.Rows + blockRows - 1) / blockRows;
        float[] packed = ArrayPool<float>.Shared.Rent(panels * Math.Min(a.Columns, BlockDepth) * TileColumns);
        for (int start = 0; start < a.Columns; start += BlockDepth)
        {
            int first = start, count = Math.Min(BlockDepth, a.Columns - start);
            For(panels, parallel,
                panel => Pack(b.Transposed, panel * TileColumns, TileColumns, first, count, packed.AsSpan(panel * count * TileColumns)));
            For(blocks, parallel, block => MultiplyBlock(a.RowRange(block * blockRows, Math.Min(blockRows, a.Rows - block * blockRows)),
                block * blockRows, first, count, packed, c, accumulate || first > 0, upperOnly));
        }
        ArrayPool<float>.Shared.Return(packed);
    }

    private static void For(int count, bool parallel, Action<int> action)
    {
        if (parallel && count > 1)
        {
            Parallel.For(0, count, action);
            return;
        }
        for (int i = 0; i < count; i++) action(i);
    }

    /// <summary>Accumulates a depth block: c[rows] += a[rows, k..] * packedB[k.., all].</summary>
    /// <param name="a">The block's rows.</param>
    private static void MultiplyBlock(MatrixView a, int firstRow, int start, int count, float[] packedB, MatrixView c,
        bool add, bool upperOnly)
    {
        int rows = a.Rows;
        float[] packedA = ArrayPool<float>.Shared.Rent(BlockRows * BlockDepth);
        Span<float> edge = stackalloc float[TileRows * TileColumns];
        for (int row = 0; row < rows; row += TileRows) Pack(a, row, TileRows, start, count, packedA.AsSpan(row * count));
        for (int column = upperOnly ? firstRow / TileColumns * TileColumns : 0; column < c.Columns; column += TileColumns)
        {
            ref float panel = ref packedB[column * count];
            for (int row = 0; row < rows; row += TileRows)
            {
                int tileRows = Math.Min(TileRows, rows - row), tileColumns = Math.Min(TileColumns, c.Columns - column);
                int place = c.Offset + (firstRow + row) * c.RowStride + column;
                if (tileRows == TileRows && tileColumns == TileColumns)
                {
                    MultiplyTile(ref packedA[row * count], ref panel, count, ref c.Data[place], c.RowStride, add);
                    continue;
                }
                MultiplyTile(ref packedA[row * count], ref panel, count, ref edge[0], TileColumns, add: false);
                for (int r = 0; r < tileRows; r++)
                {
                    Span<float> target = c.Data.AsSpan(place + r * c.RowStride, tileColumns);
                    for (int i = 0; i < tileColumns; i++) target[i] = (add ? target[i] : 0) + edge[r * TileColumns + i];
                }
            }
        }
        ArrayPool<float>.Shared.Return(packedA);
    }

    /// <summary>packed [count, width] = the transpose of some rows of a matrix, zeros where it has no such row.</summary>
    private static void Pack(MatrixView source, int firstRow, int width, int start, int count, Span<float> packed)
    {
        int rows = Math.Min(width, source.Rows - firstRow);
        packed = packed[..(count * width)];
        if (rows < width) packed.Clear();
        int origin = source.Offset + firstRow * source.RowStride + start * source.ColumnStride;
        if (source.RowStride == 1 && rows == TileColumns)
        {
            ref float column = ref source.Data[origin];
            for (int k = 0; k < count; k++)
            {
                ref float from = ref Unsafe.Add(ref column, k * source.ColumnStride);
                Vector256.LoadUnsafe(ref from).StoreUnsafe(ref packed[k * TileColumns]);
                Vector256.LoadUnsafe(ref from, 8).StoreUnsafe(ref packed[k * TileColumns], 8);
            }
            return;
        }
        if (source.RowStride == 1)
        {
            for (int k = 0; k < count; k++) source.Data.AsSpan(origin + k * source.ColumnStride, rows).CopyTo(packed[(k * width)..]);
            return;
        }
        int row = 0;
        if (source.ColumnStride == 1 && (Sse.IsSupported || AdvSimd.Arm64.IsSupported))
        {
            for (; row + 4 <= rows; row += 4)
                PackFour(source.Data.AsSpan(origin + row * source.RowStride), source.RowStride, width, count, packed[row..]);
        }
        for (; row < rows; row++)
        {
            ref float from = ref source.Data[origin + row * source.RowStride];
            ref float to = ref packed[row];
            for (int k = 0; k < count; k++) Unsafe.Add(ref to, k * width) = Unsafe.Add(ref from, k * source.ColumnStride);
        }
    }

    /// <summary>Four rows whose elements are side by side: turned over four by four.</summary>
    private static void PackFour(ReadOnlySpan<float> source, int stride, int width, int count, Span<float> packed)
    {
        ref float first = ref MemoryMarshal.GetReference(source[..(3 * stride + count)]);
        ref float to = ref MemoryMarshal.GetReference(packed[..((count - 1) * width + 4)]);
        int k = 0;
        for (; k + 4 <= count; k += 4)
        {
            ref float from = ref Unsafe.Add(ref first, k);
            Vector128<float> a = Vector128.LoadUnsafe(ref from), b = Vector128.LoadUnsafe(ref from, (nuint)stride);
            Vector128<float> c = Vector128.LoadUnsafe(ref from, (nuint)(2 * stride)),
                d = Vector128.LoadUnsafe(ref from, (nuint)(3 * stride));
            Vector128<float> evenLow = Interleave.Lower(a, c), evenHigh = Interleave.Upper(a, c),
                oddLow = Interleave.Lower(b, d), oddHigh = Interleave.Upper(b, d);
            ref float target = ref Unsafe.Add(ref to, k * width);
            Interleave.Lower(evenLow, oddLow).StoreUnsafe(ref target);
            Interleave.Upper(evenLow, oddLow).StoreUnsafe(ref target, (nuint)width);
            Interleave.Lower(evenHigh, oddHigh).StoreUnsafe(ref target, (nuint)(2 * width));
            Interleave.Upper(evenHigh, oddHigh).StoreUnsafe(ref target, (nuint)(3 * width));
        }
        for (; k < count; k++)
        {
            for (int row = 0; row < 4; row++) Unsafe.Add(ref to, k * width + row) = Unsafe.Add(ref first, k + row * stride);
        }
    }

    /// <summary>c [6, 16] = or += a [count, 6] transposed times b [count, 16].</summary>
    private static void MultiplyTile(ref float a, ref float b, int count, ref float c, int stride, bool add)
    {
        Vector256<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default;
        Vector256<float> c30 = default, c31 = default, c40 = default, c41 = default, c50 = default, c51 = default;
        for (int k = 0; k < count; k++)
        {
            Vector256<float> b0 = Vector256.LoadUnsafe(ref b), b1 = Vector256.LoadUnsafe(ref b, 8);
            var x = Vector256.Create(a);
            c00 = Vector256.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector256.FusedMultiplyAdd(x, b1, c01);
            x = Vector256.Create(Unsafe.Add(ref a, 1));
            c10 = Vector256.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector256.FusedMultiplyAdd(x, b1, c11);
            x = Vector256.Create(Unsafe.Add(ref a, 2));
            c20 = Vector256.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector256.FusedMultiplyAdd(x, b1, c21);
            x = Vector256.Create(Unsafe.Add(ref a, 3));
            c30 = Vector256.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector256.FusedMultiplyAdd(x, b1, c31);
            x = Vector256.Create(Unsafe.Add(ref a, 4));
            c40 = Vector256.FusedMultiplyAdd(x, b0, c40);
            c41 = Vector256.FusedMultiplyAdd(x, b1, c41);
            x = Vector256.Create(Unsafe.Add(ref a, 5));
            c50 = Vector256.FusedMultiplyAdd(x, b0, c50);
            c51 = Vector256.FusedMultiplyAdd(x, b1, c51);
            a = ref Unsafe.Add(ref a, TileRows);
            b = ref Unsafe.Add(ref b, TileColumns);
        }
        Store(ref c, c00, c01, add);
        Store(ref Unsafe.Add(ref c, stride), c10, c11, add);
        Store(ref Unsafe.Add(ref c, 2 * stride), c20, c21, add);
        Store(ref Unsafe.Add(ref c, 3 * stride), c30, c31, add);
        Store(ref Unsafe.Add(ref c, 4 * stride), c40, c41, add);
        Store(ref Unsafe.Add(ref c, 5 * stride), c50, c51, add);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(ref float c, Vector256<float> low, Vector256<float> high, bool add)
    {
        if (add)
        {
            low += Vector256.LoadUnsafe(ref c);
            high += Vector256.LoadUnsafe(ref c, 8);
        }
        low.StoreUnsafe(ref c);
        high.StoreUnsafe(ref c, 8);
    }
}
