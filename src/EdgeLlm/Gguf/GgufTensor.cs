using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Gguf;

/// <summary>Position of a tensor in a GGUF file, and how its values are stored.</summary>
public sealed class GgufTensor
{
    internal GgufTensor(string name, long[] shape, ElementType type, long offset, long byteCount, int fileIndex)
    {
        Name = name;
        Shape = shape;
        Type = type;
        Offset = offset;
        ByteCount = byteCount;
        FileIndex = fileIndex;
    }

    /// <summary>The name, unique in the file, such as `blk.0.attn_q.weight`.</summary>
    public string Name { get; }

    /// <summary>
    /// One to four dimensions in ggml's order, as the file has them: the first is the length of a row, whose values are side by side. Of a
    /// packed tensor the number of its bytes.
    /// </summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>How the values are stored; I8 where they are packed (docs/quantization.md).</summary>
    public ElementType Type { get; }

    /// <summary>Matrix in the bytes of a packed tensor, or null: it is an ordinary one.</summary>
    internal PackedTensor? Packed { get; set; } // set last: the keys that tell it name tensors

    /// <summary>
    /// The values in memory that does not move (`GC.AllocateArray`, pinned), where the file has them in another form; null: they are read
    /// from the map.
    /// </summary>
    internal float[]? Converted { get; init; }

    /// <summary>The name of the type: ggml's, or that of the packing.</summary>
    internal string TypeName => Packed is null ? ElementFormat.Get(Type).Name : Packed.IsRotated ? Packed.Kind + "-rotated" : Packed.Kind;

    /// <summary>Where the values start, in bytes from the start of the tensor's file.</summary>
    public long Offset { get; internal set; } // set last: the reader learns where the data starts when it has read all tensors

    /// <summary>The bytes that the values take.</summary>
    public long ByteCount { get; }

    /// <summary>Which of the splits holds the values, from 0; 0 in a file that is not split.</summary>
    public int FileIndex { get; }

    /// <summary>The shape of what the tensor holds: that of the matrix, where it is packed.</summary>
    internal IReadOnlyList<long> MatrixShape =>
        Packed is null ? Shape : Packed.Experts == 1 ? [Columns, Rows] : [Columns, Rows / Packed.Experts, Packed.Experts];

    /// <summary>The values of a row: the first dimension; of a packed tensor the matrix' columns.</summary>
    public long Columns => Packed?.Columns ?? Shape[0];

    /// <summary>The number of rows: the product of all dimensions but the first; of a packed tensor the matrix' rows.</summary>
    public long Rows
    {
        get
        {
            if (Packed is not null) return Packed.Rows;
            long rows = 1;
            for (int dimension = 1; dimension < Shape.Count; dimension++) rows *= Shape[dimension];
            return rows;
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Name} {Type} [{string.Join(", ", Shape)}]";
}
