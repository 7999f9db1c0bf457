using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels;

/// <summary>Weights [Rows, Columns] as they lie in a mapped file, row after row. Owns nothing.</summary>
internal readonly unsafe struct WeightMatrix
{
    public WeightMatrix(byte* data, ElementType type, int rows, int columns)
    {
        Data = data;
        Type = type;
        Rows = rows;
        Columns = columns;
        RowBytes = (nint)ElementFormat.ByteCount(type, columns);
    }

    public byte* Data { get; }

    public ElementType Type { get; }

    public int Rows { get; }

    public int Columns { get; }

    /// <summary>Bytes from one row to the next.</summary>
    public nint RowBytes { get; }

    /// <summary>Float weights multiply float activations; every other type multiplies int8 activations.</summary>
    public bool IsFloat => Type is ElementType.F32 or ElementType.F16 or ElementType.BF16;

    public byte* Row(int row) => Data + row * RowBytes;
}
