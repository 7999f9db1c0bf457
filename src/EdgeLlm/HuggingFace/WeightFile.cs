using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.HuggingFace;

/// <summary>A file of a folder with weights, mapped.</summary>
internal sealed class WeightFile : IDisposable
{
    private WeightFile(MappedFile map, Func<MappedFile, IEnumerable<StoredTensor>> read)
    {
        Map = map;
        var tensors = new Dictionary<string, FolderTensor>();
        foreach (StoredTensor tensor in read(map))
        {
            if (!tensors.TryAdd(tensor.Name, new FolderTensor(this, tensor)))
                throw new ModelException(map.Path, $"tensor {FolderFile.Printable(tensor.Name)} is there twice");
        }
        Tensors = tensors;
    }

    public MappedFile Map { get; }

    public string Path => Map.Path;

    public IReadOnlyDictionary<string, FolderTensor> Tensors { get; }

    /// <summary>Opens a file of torch's where its name ends with `.bin`, else a safetensors file.</summary>
    /// <exception cref="ModelException">It is not one, or a damaged one.</exception>
    public static WeightFile Open(string path)
    {
        MappedFile map = MappedFile.Open(path);
        try
        {
            return new WeightFile(map, path.EndsWith(".bin", StringComparison.Ordinal) ? TorchReader.Read : SafetensorsReader.Read);
        }
        catch
        {
            map.Dispose();
            throw;
        }
    }

    public void Dispose() => Map.Dispose();
}

/// <summary>Where a tensor is in a file, as the file says.</summary>
/// <param name="Kind">The type of the values by safetensors' name, such as `BF16`.</param>
/// <param name="Shape">Outer dimension first, as the file has it; rows are the last.</param>
/// <param name="Offset">Bytes from the start of the file.</param>
internal sealed record StoredTensor(string Name, string Kind, long[] Shape, long Offset, long ByteCount)
{
    /// <summary>Bytes of a value of a kind, or 0 where there is no such kind.</summary>
    public static int SizeOf(string kind) => kind switch
    {
        "BOOL" or "U8" or "I8" or "F8_E5M2" or "F8_E4M3" or "F8_E8M0" => 1,
        "I16" or "U16" or "F16" or "BF16" => 2,
        "I32" or "U32" or "F32" => 4,
        "I64" or "U64" or "F64" or "C64" => 8,
        _ => 0,
    };
}

/// <summary>A tensor of a folder.</summary>
internal sealed record FolderTensor(WeightFile File, StoredTensor Stored)
{
    public string Name => Stored.Name;

    /// <summary>Outer dimension first.</summary>
    public long[] Shape => Stored.Shape;

    public long ByteCount => Stored.ByteCount;

    /// <summary>The type, or null where it is not one that weights are read in.</summary>
    public ElementType? Type => Stored.Kind switch
    {
        "F32" => ElementType.F32,
        "F16" => ElementType.F16,
        "BF16" => ElementType.BF16,
        _ => null,
    };

    public ReadOnlySpan<byte> Bytes(long start, int count)
    {
        if (start < 0 || count < 0 || start > ByteCount - count) throw new ArgumentOutOfRangeException(nameof(start));
        return File.Map.Span(Stored.Offset + start, count);
    }

    /// <summary>An error about it.</summary>
    public ModelException Error(string problem) => new(File.Path, $"tensor {FolderFile.Printable(Name)} {problem}");
}
