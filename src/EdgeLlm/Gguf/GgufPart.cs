using EdgeLlm.Files;

namespace EdgeLlm.Gguf;

/// <summary>One file: the whole of a model, or one of its splits.</summary>
internal sealed class GgufPart : IDisposable
{
    private GgufPart(string path, MappedFile map, int index)
    {
        Path = path;
        Map = map;
        var reader = new GgufHeaderReader(path, map.Head, map.Length);
        (Version, int tensorCount, int keyCount) = reader.ReadFixedFields();
        OrderedDictionary<string, GgufValue> values = reader.ReadMetadata(keyCount);
        Metadata = new GgufMetadata(path, values);
        Alignment = reader.AlignmentOf(values);
        Tensors = reader.ReadTensors(tensorCount, Alignment, index);
        HeaderLength = reader.Position;
        RefuseOverlaps();
    }

    public string Path { get; }
    public MappedFile Map { get; }
    public uint Version { get; }
    public GgufMetadata Metadata { get; }
    public OrderedDictionary<string, GgufTensor> Tensors { get; }
    public uint Alignment { get; }
    public long HeaderLength { get; }

    /// <summary>Where the tensors' data starts. A file without tensors may end before it.</summary>
    public long DataStart => GgufRules.AlignUp(HeaderLength, Alignment);

    public static GgufPart Open(string path, int index)
    {
        if (FileStatus.Of(path) is { Kind: not (FileKind.Regular or FileKind.Link) } status)
            throw new GgufException(path, $"is {status.KindName}, not a GGUF file", "file", offset: null);
        MappedFile map = MappedFile.Open(path);
        try
        {
            return new GgufPart(path, map, index);
        }
        catch
        {
            map.Dispose();
            throw;
        }
    }

    public void Dispose() => Map.Dispose();

    private void RefuseOverlaps()
    {
        GgufTensor[] inOrder = [.. Tensors.Values];
        Array.Sort(inOrder, static (left, right) => left.Offset.CompareTo(right.Offset));
        for (int index = 1; index < inOrder.Length; index++)
        {
            GgufTensor before = inOrder[index - 1];
            if (before.Offset + before.ByteCount <= inOrder[index].Offset) continue;
            string field = $"tensor {GgufException.Quote(inOrder[index].Name)} data";
            throw new GgufException(Path, $"overlaps the data of tensor {GgufException.Quote(before.Name)}", field, inOrder[index].Offset);
        }
    }
}
