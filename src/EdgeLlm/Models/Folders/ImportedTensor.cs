using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Folders;

/// <summary>A tensor of a folder as a model uses it: matrices in their own type, vectors as F32, as ggml wants them.</summary>
/// <param name="Source">The tensor.</param>
/// <param name="Target">Its name in GGUF.</param>
/// <param name="Columns">The length of a row; of a vector, each of whose numbers is a row, 1.</param>
/// <param name="Heads">The heads in each of which the rows are put in pairs; 0: no row moves.</param>
internal sealed record ImportedTensor(FolderTensor Source, string Target, ElementType SourceType, bool IsVector, long Rows, long Columns, int Heads)
{
    public ElementType Type => IsVector ? ElementType.F32 : SourceType;

    /// <summary>ggml's order of dimensions.</summary>
    public long[] Shape => IsVector ? [Rows] : [Columns, Rows];

    public long ByteCount => ElementFormat.ByteCount(Type, Columns) * Rows;

    /// <summary>Whether the rows are used where they are.</summary>
    private bool IsView => Heads == 0;

    /// <summary>A tensor of a folder as a model uses it, checked against what the config says of its shape.</summary>
    /// <exception cref="ModelException">Its type or shape is another.</exception>
    public static ImportedTensor Of(FolderTensor source, TensorUse use, ModelSpec model)
    {
        ElementType type = source.Type ?? throw source.Error($"is {source.Stored.Kind}; weights are read as F32, F16 and BF16");
        bool isVector = !use.Entry.IsMatrix;
        long[] wanted = isVector ? [use.Columns] : [use.Rows, use.Columns];
        if (!source.Shape.AsSpan().SequenceEqual(wanted))
            throw source.Error($"has the shape [{string.Join(", ", source.Shape)}]; by config.json it should have [{string.Join(", ", wanted)}]");
        int heads = use.Entry.RotatedHeads?.Invoke(model.Layers[use.Layer].Attention) ?? 0;
        return new ImportedTensor(source, use.Name, type, isVector, isVector ? use.Columns : use.Rows, isVector ? 1 : use.Columns, heads);
    }

    /// <summary>The tensor without a copy, or of a vector a converted one.</summary>
    /// <param name="file">Number of its file.</param>
    /// <exception cref="ModelException">It is a matrix whose rows have to move.</exception>
    public GgufTensor View(int file, string folder)
    {
        if (!IsView)
        {
            throw Source.Error($"has its rows in another order than they run in, so the folder can't run as it is: "
                + $"first edgellm quantize {ShellWord.Quote(folder)} OUT.gguf, then run OUT.gguf");
        }
        float[]? numbers = IsVector && SourceType != ElementType.F32 ? GC.AllocateArray<float>((int)Rows, pinned: true) : null;
        if (numbers is not null) Dequantizer.ToFloat(SourceType, Source.Bytes(0, (int)Source.ByteCount), numbers);
        return new GgufTensor(Target, Shape, Type, Source.Stored.Offset, ByteCount, file) { Converted = numbers };
    }
}
