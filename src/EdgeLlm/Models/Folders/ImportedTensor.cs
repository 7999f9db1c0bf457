using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Families;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Folders;

/// <summary>A tensor of a folder as a model uses it: matrices in their own type, vectors as F32, as ggml wants them.</summary>
/// <param name="Source">The tensor.</param>
/// <param name="Target">Its name in GGUF.</param>
/// <param name="Columns">The length of a row; of a vector, each of whose numbers is a row, 1.</param>
internal sealed record ImportedTensor(FolderTensor Source, string Target, ElementType SourceType, bool IsVector, long Rows, long Columns)
{
    /// <summary>From a row to the row of the source that it is; null: none moves.</summary>
    public Func<long, long>? SourceRow { get; private init; }

    /// <summary>Whether the source is a matrix [columns, rows].</summary>
    public bool IsTransposed { get; private init; }

    /// <summary>What is added to the numbers of a vector.</summary>
    public float Offset { get; private init; }

    public ElementType Type => IsVector ? ElementType.F32 : SourceType;

    /// <summary>ggml's order of dimensions.</summary>
    public long[] Shape => IsVector ? [Rows] : [Columns, Rows];

    public long ByteCount => ElementFormat.ByteCount(Type, Columns) * Rows;

    /// <summary>Whether the rows are used where they are.</summary>
    private bool IsView => SourceRow is null && !IsTransposed;

    /// <summary>A tensor of a folder as a model uses it, checked against what the config says of its shape.</summary>
    /// <param name="rotatesNeighbours">Heads of the folder are rotated in neighbours: they don't have to be put in pairs.</param>
    /// <exception cref="ModelException">Its type or shape is another.</exception>
    public static ImportedTensor Of(FolderTensor source, TensorUse use, ModelSpec model, FolderForm form, bool rotatesNeighbours)
    {
        ElementType type = source.Type ?? throw source.Error($"is {source.Stored.Kind}; weights are read as F32, F16 and BF16");
        bool isVector = !use.Entry.IsMatrix, isTransposed = form == FolderForm.Transposed;
        long[] wanted = isVector ? [use.Columns] : isTransposed ? [use.Columns, use.Rows] : [use.Rows, use.Columns];
        if (!source.Shape.AsSpan().SequenceEqual(wanted))
            throw source.Error($"has the shape [{string.Join(", ", source.Shape)}]; by config.json it should have [{string.Join(", ", wanted)}]");
        AttentionSpec attention = model.Layers[use.Layer].Attention;
        long rows = isVector ? use.Columns : use.Rows;
        int heads = rotatesNeighbours ? 0 : use.Entry.RotatedHeads?.Invoke(attention) ?? 0;
        return new ImportedTensor(source, use.Name, type, isVector, rows, isVector ? 1 : use.Columns)
        {
            SourceRow = heads > 0 ? row => RowOfPairs(row, rows / heads) : form == FolderForm.HeadGroups && attention.KeyValueHeads > 1 ? row => RowOfGroups(row, attention) : null,
            IsTransposed = isTransposed,
            Offset = form == FolderForm.LessOne ? 1 : 0,
        };
    }

    /// <summary>The numbers of a vector as floats.</summary>
    /// <param name="floats">[rows from <paramref name="first"/> on].</param>
    public void Read(long first, Span<float> floats)
    {
        int size = (int)ElementFormat.ByteCount(SourceType, 1);
        if (SourceRow is null) Dequantizer.ToFloat(SourceType, Source.Bytes(first * size, floats.Length * size), floats);
        else for (int i = 0; i < floats.Length; i++) Dequantizer.ToFloat(SourceType, Source.Bytes(SourceRow(first + i) * size, size), floats.Slice(i, 1));
        if (Offset == 0) return;
        for (int i = 0; i < floats.Length; i++) floats[i] += Offset;
    }

    /// <summary>2 i + j of a head is j d/2 + i in a folder.</summary>
    private static long RowOfPairs(long row, long dimension)
    {
        long inHead = row % dimension;
        return row - inHead + inHead % 2 * (dimension / 2) + inHead / 2;
    }

    /// <summary>Queries, keys, values one after the other here; in a folder of each key/value head its queries, key and value.</summary>
    private static long RowOfGroups(long row, AttentionSpec attention)
    {
        long head = row / attention.Dimension, group = attention.GroupSize, heads = attention.Heads, keyValueHeads = attention.KeyValueHeads;
        long from = head < heads ? head / group * (group + 2) + head % group
            : head < heads + keyValueHeads ? (head - heads) * (group + 2) + group : (head - heads - keyValueHeads) * (group + 2) + group + 1;
        return from * attention.Dimension + row % attention.Dimension;
    }

    /// <summary>The tensor without a copy, or of a vector a converted one.</summary>
    /// <param name="file">Number of its file.</param>
    /// <exception cref="ModelException">It is a matrix whose rows have to move.</exception>
    public GgufTensor View(int file, string folder)
    {
        if (!IsVector && !IsView)
        {
            throw Source.Error($"has its rows in another order than they run in, so the folder can't run as it is: "
                + $"first edgellm quantize {ShellWord.Quote(folder)} OUT.gguf, then run OUT.gguf");
        }
        float[]? numbers = IsVector && (SourceType != ElementType.F32 || !IsView || Offset != 0) ? GC.AllocateArray<float>((int)Rows, pinned: true) : null;
        if (numbers is not null) Read(0, numbers);
        return new GgufTensor(Target, Shape, Type, Source.Stored.Offset, ByteCount, file) { Converted = numbers };
    }
}
