namespace EdgeLlm.Training.Numerics;

/// <summary>A matrix in an array: element (r, c) is Data[Offset + r * RowStride + c * ColumnStride].</summary>
internal readonly record struct MatrixView(float[] Data, int Offset, int Rows, int Columns, int RowStride, int ColumnStride)
{
    /// <summary>Rows one after the other from the array's start.</summary>
    public MatrixView(float[] data, int rows, int columns) : this(data, 0, rows, columns, columns, 1)
    {
    }

    public MatrixView Transposed => new(Data, Offset, Columns, Rows, ColumnStride, RowStride);

    public MatrixView Part(int firstRow, int rows, int firstColumn, int columns) =>
        new(Data, Offset + firstRow * RowStride + firstColumn * ColumnStride, rows, columns, RowStride, ColumnStride);

    public MatrixView RowRange(int firstRow, int rows) => Part(firstRow, rows, 0, Columns);
}
