using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Families;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Folders;

/// <summary>
/// A tensor of a folder as a model uses it: matrices in their own type, vectors and small matrices as F32, as ggml wants them.
/// </summary>
/// <param name="Source">The tensor; of a stack whose matrices are tensors of their own, the first.</param>
/// <param name="Target">Its name in GGUF.</param>
/// <param name="Columns">The length of a row; of what becomes F32, each of whose numbers is a row, 1.</param>
internal sealed record ImportedTensor(FolderTensor Source, string Target, ElementType SourceType, bool IsVector, long Rows, long Columns)
{
    /// <summary>The matrices of a stack that are tensors of their own; otherwise empty.</summary>
    public IReadOnlyList<FolderTensor> Stack { get; private init; } = [];

    /// <summary>
    /// The scales of a stack in MXFP4 [experts, rows, columns / 32], whose codes are <see cref="Source"/>; null: it is of another type.
    /// </summary>
    public FolderTensor? Scales { get; private init; }

    /// <summary>From a row to the row of the source that it is; null: none moves.</summary>
    public Func<long, long>? SourceRow { get; private init; }

    /// <summary>From a column to the column of the source that it is; null: none moves.</summary>
    public Func<long, long>? SourceColumn { get; private init; }

    /// <summary>Rows of the source before the first.</summary>
    public int Skipped { get; private init; }

    /// <summary>Whether the source is a matrix [columns, rows].</summary>
    public bool IsTransposed { get; private init; }

    /// <summary>Number added to the numbers of a vector.</summary>
    public float Offset { get; private init; }

    /// <summary>Whether x becomes -exp(x).</summary>
    public bool IsLogarithm { get; private init; }

    public ElementType Type => IsVector ? ElementType.F32 : SourceType;

    /// <summary>ggml's order of dimensions.</summary>
    public required long[] Shape { get; init; }

    public long ByteCount => ElementFormat.ByteCount(Type, Columns) * Rows;

    /// <summary>Whether rows of the file are copied one by one from their places in the folder.</summary>
    public bool IsGathered => !IsVector && (SourceRow is not null || SourceColumn is not null || Stack.Count > 0 || Scales is not null);

    /// <summary>Whether the rows are used where they are.</summary>
    private bool IsView =>
        (SourceRow is null || Skipped > 0) && SourceColumn is null && !IsTransposed && !IsLogarithm && Stack.Count == 0 && Scales is null;

    /// <summary>A tensor of a folder as a model uses it, checked against what the config says of its shape.</summary>
    /// <param name="sources">One; or the matrices of a stack; or codes and scales of a stack in MXFP4.</param>
    /// <param name="rotatesNeighbours">Heads of the folder are rotated in neighbours: they don't have to be put in pairs.</param>
    /// <param name="skipped">Rows at the start of a matrix that are left out.</param>
    /// <exception cref="ModelException">Its type or shape is another.</exception>
    public static ImportedTensor Of(IReadOnlyList<FolderTensor> sources, TensorUse use, ModelSpec model, FolderForm form,
        bool rotatesNeighbours, int skipped = 0)
    {
        var forms = new TensorForm(use, model.Layers[use.Layer], form, rotatesNeighbours);
        bool isCoded = sources.Count == 2 && sources[0].Stored.Kind == "U8" && use.Experts > 1;
        ElementType type = isCoded ? ElementType.MXFP4
            : sources[0].Type ?? throw sources[0].Error($"is {sources[0].Stored.Kind}; weights are read as F32, F16 and BF16");
        if (isCoded)
        {
            Require(sources[0], [.. forms.SourceShape[..^1], use.Columns / 32, 16]);
            Require(sources[1], [.. forms.SourceShape[..^1], use.Columns / 32]);
        }
        else if (sources.Count > 1)
        {
            foreach (FolderTensor source in sources)
            {
                Require(source, forms.SourceShape[1..]);
                if (source.Type != type) throw source.Error($"is {source.Stored.Kind}, and another of its stack {sources[0].Stored.Kind}");
            }
        }
        else if (!(use.Entry.IsFloat
            && sources[0].Shape.AsSpan().SequenceEqual([use.Rows, 1, use.Columns]))) // a convolution's, of one channel each
        {
            Require(sources[0], skipped > 0 ? [use.Rows + skipped, use.Columns] : forms.SourceShape);
        }
        bool isVector = !use.Entry.IsMatrix || use.Entry.IsFloat;
        return new ImportedTensor(sources[0], use.Name, type, isVector, isVector ? (long)use.Rows * use.Columns : use.Rows,
            isVector ? 1 : use.Columns)
        {
            Shape = forms.TargetShape,
            Stack = sources.Count > 1 && !isCoded ? sources : [],
            Scales = isCoded ? sources[1] : null,
            Skipped = skipped,
            SourceRow = skipped > 0 ? row => row + skipped : forms.SourceRow,
            SourceColumn = forms.SourceColumn,
            IsTransposed = form == FolderForm.Transposed,
            Offset = form == FolderForm.LessOne ? 1 : 0,
            IsLogarithm = use.Role == TensorRole.RecurrenceRate,
        };
    }

    /// <summary>The numbers of a vector as floats.</summary>
    /// <param name="floats">[rows from <paramref name="first"/> on].</param>
    public void Read(long first, Span<float> floats)
    {
        int size = (int)ElementFormat.ByteCount(SourceType, 1);
        if (SourceRow is null) Dequantizer.ToFloat(SourceType, Source.Bytes(first * size, floats.Length * size), floats);
        else for (int i = 0; i < floats.Length; i++)
            Dequantizer.ToFloat(SourceType, Source.Bytes(SourceRow(first + i) * size, size), floats.Slice(i, 1));
        for (int i = 0; i < floats.Length && Offset != 0; i++) floats[i] += Offset;
        for (int i = 0; i < floats.Length && IsLogarithm; i++) floats[i] = (float)-Math.Exp(floats[i]);
    }

    /// <summary>A row of a matrix that is gathered.</summary>
    /// <exception cref="ModelException">A scale of MXFP4 is not a number.</exception>
    public void CopyRow(long row, Span<byte> destination)
    {
        long from = SourceRow?.Invoke(row) ?? row;
        if (Scales is not null)
        {
            CopyCodes(from, destination);
            return;
        }
        FolderTensor source = Source;
        if (Stack.Count > 0)
        {
            long each = Rows / Stack.Count;
            (source, from) = (Stack[(int)(from / each)], from % each);
        }
        ReadOnlySpan<byte> bytes = source.Bytes(from * destination.Length, destination.Length);
        if (SourceColumn is null)
        {
            bytes.CopyTo(destination);
            return;
        }
        int size = (int)(destination.Length / Columns);
        for (int column = 0; column < Columns; column++)
            bytes.Slice((int)SourceColumn(column) * size, size).CopyTo(destination[(column * size)..]);
    }

    /// <summary>
    /// A row in ggml's MXFP4: of 32 columns the scale, then bytes of which number j has column j in its lower half and j + 16 in its upper
    /// one. In folders byte j has columns 2 j and 2 j + 1.
    /// </summary>
    private void CopyCodes(long row, Span<byte> destination)
    {
        int blocks = (int)(Columns / 32);
        ReadOnlySpan<byte> codes = Source.Bytes(row * blocks * 16, blocks * 16), scales = Scales!.Bytes(row * blocks, blocks);
        for (int block = 0; block < blocks; block++)
        {
            if (scales[block] == 255) throw Scales.Error($"has a scale that is not a number, near row {row}");
            ReadOnlySpan<byte> from = codes.Slice(16 * block, 16);
            Span<byte> to = destination.Slice(17 * block, 17);
            to[0] = scales[block];
            for (int j = 0; j < 16; j++) to[1 + j] = (byte)(Code(from, j) | Code(from, j + 16) << 4);
        }

        static int Code(ReadOnlySpan<byte> bytes, int column) => bytes[column / 2] >> (column % 2 * 4) & 15;
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
        float[]? numbers = IsVector && (SourceType != ElementType.F32 || !IsView || Offset != 0)
            ? GC.AllocateArray<float>((int)Rows, pinned: true) : null;
        if (numbers is not null) Read(0, numbers);
        return new GgufTensor(Target, Shape, Type, Source.Stored.Offset + Skipped * ElementFormat.ByteCount(Type, Columns), ByteCount, file)
        {
            Converted = numbers,
        };
    }

    private static void Require(FolderTensor source, long[] shape)
    {
        if (!source.Shape.AsSpan().SequenceEqual(shape))
            throw source.Error(
                $"has the shape [{string.Join(", ", source.Shape)}]; by config.json it should have [{string.Join(", ", shape)}]");
    }
}
