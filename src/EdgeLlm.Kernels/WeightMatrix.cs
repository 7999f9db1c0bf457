using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels;

/// <summary>Weights [Rows, Columns] as they are in a mapped file: row after row, or packed in groups of eight rows. Owns nothing.</summary>
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

    /// <summary>A packed matrix, whose file says <see cref="ElementType.I8"/>.</summary>
    /// <param name="codebook">Not used by E8; its lower half by E4 and E3.</param>
    public WeightMatrix(byte* data, PackedLayout layout, Vector256<sbyte> codebook, int rows)
    {
        Data = data;
        Type = ElementType.I8;
        Layout = layout;
        Codebook = codebook;
        Rows = rows;
        Columns = layout.Columns;
        GroupBytes = (nint)layout.GroupBytes;
    }

    public byte* Data { get; }

    public ElementType Type { get; }

    public int Rows { get; }

    public int Columns { get; }

    /// <summary>Bytes from one row to the next; 0 where packed.</summary>
    public nint RowBytes { get; }

    /// <summary>How a packed matrix is stored.</summary>
    public PackedLayout Layout { get; }

    public Packing Packing => Layout.Packing;

    /// <summary>Values of the codes.</summary>
    public Vector256<sbyte> Codebook { get; }

    /// <summary>Bytes from eight rows to the next eight of a packed matrix, else 0.</summary>
    public nint GroupBytes { get; }

    /// <summary>Bytes of all rows.</summary>
    public long ByteCount => IsPacked ? Layout.ByteCount(Rows) : Rows * (long)RowBytes;

    public bool IsPacked => Packing != Packing.None;

    /// <summary>Whether it multiplies activations that are rotated as <see cref="Rotation"/> has it.</summary>
    public bool IsRotated => Layout.IsRotated;

    /// <summary>Float weights multiply float activations; every other type multiplies int8 activations.</summary>
    public bool IsFloat => Type is ElementType.F32 or ElementType.F16 or ElementType.BF16;

    /// <summary>A row of a matrix that is not packed.</summary>
    public byte* Row(int row) => Data + row * RowBytes;

    /// <summary>The group of a packed matrix that has a row.</summary>
    public byte* Group(int row) => Data + row / PackedLayout.GroupRows * GroupBytes;

    /// <summary>A row [Columns] as floats.</summary>
    public void RowToFloat(int row, float* destination)
    {
        if (IsPacked) PackedRows.ToFloat(Layout, Data, Codebook, row, destination);
        else Dequantizer.ToFloat(Type, Row(row), destination, Columns);
    }
}
