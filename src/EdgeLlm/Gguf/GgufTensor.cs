using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Gguf;

/// <summary>Where a tensor lies in a GGUF file and how its values are stored.</summary>
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

    /// <summary>One to four dimensions in ggml's order: the first is the length of a row, whose values lie side by side.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>How the values are stored.</summary>
    public ElementType Type { get; }

    /// <summary>Where the values start, in bytes from the start of the tensor's file.</summary>
    public long Offset { get; internal set; } // set last: the reader learns where the data starts when it has read all tensors

    /// <summary>The bytes that the values take.</summary>
    public long ByteCount { get; }

    /// <summary>Which of the splits holds the values, from 0; 0 in a file that is not split.</summary>
    public int FileIndex { get; }

    /// <summary>The values of a row: the first dimension.</summary>
    public long Columns => Shape[0];

    /// <summary>The number of rows: the product of all dimensions but the first.</summary>
    public long Rows
    {
        get
        {
            long rows = 1;
            for (int dimension = 1; dimension < Shape.Count; dimension++) rows *= Shape[dimension];
            return rows;
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Name} {Type} [{string.Join(", ", Shape)}]";
}
