namespace EdgeLlm.Gguf;

/// <summary>
/// A GGUF file (version 2 or 3, little-endian), or all files of one that is split: mapped into memory read-only and shared,
/// so that opening costs no more than one walk over the header. Everything in the header is checked.
/// Format: docs/gguf.md of ggml.
/// </summary>
public sealed class GgufFile : IDisposable
{
    private readonly List<GgufPart> _parts;
    private readonly OrderedDictionary<string, GgufTensor> _tensors;

    private GgufFile(string path, List<GgufPart> parts)
    {
        Path = path;
        _parts = parts;
        _tensors = parts.Count == 1 ? parts[0].Tensors : Join(parts);
        foreach ((string name, PackedTensor packed) in PackedTensors.Read(Metadata, _tensors)) _tensors[name].Packed = packed;
    }

    /// <summary>The path that was opened.</summary>
    public string Path { get; }

    /// <summary>The format's version: 2 or 3.</summary>
    public uint Version => _parts[0].Version;

    /// <summary>The keys and values; of the first file, where there are several.</summary>
    public GgufMetadata Metadata => _parts[0].Metadata;

    /// <summary>The tensors in the order of the header, file by file.</summary>
    public IReadOnlyList<GgufTensor> Tensors => _tensors.Values;

    /// <summary>The bytes of the file, of all splits together.</summary>
    public long FileSize => _parts.Sum(static part => part.Map.Length);

    /// <summary>The files, one where it is not split; <see cref="GgufTensor.FileIndex"/> counts them.</summary>
    internal IReadOnlyList<GgufPart> Parts => _parts;

    /// <summary>Opens a file, and where it is one of several splits, whichever it is, all of them.</summary>
    /// <exception cref="GgufException">It is not a GGUF file or a damaged one, or a split is missing or does not belong.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    public static GgufFile Open(string path)
    {
        List<GgufPart> parts = [GgufPart.Open(path, 0)];
        try
        {
            if (GgufSplit.Of(parts[0]) is { } split) OpenSplits(parts, split);
            return new GgufFile(path, parts);
        }
        catch
        {
            foreach (GgufPart part in parts) part.Dispose();
            throw;
        }
    }

    /// <summary>The tensor of a name, or null.</summary>
    public GgufTensor? FindTensor(string name) => _tensors.GetValueOrDefault(name);

    /// <summary>Ends the map. Pointers and spans into it are dead; asking for new ones throws <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose()
    {
        foreach (GgufPart part in _parts) part.Dispose();
    }

    /// <summary>The address (a `byte*`) of a tensor's <see cref="GgufTensor.ByteCount"/> bytes, valid until the file is disposed.</summary>
    internal nint Pointer(GgufTensor tensor) => _parts[tensor.FileIndex].Map.Address(tensor.Offset, tensor.ByteCount);

    /// <summary>Bytes of a tensor, without a copy, valid until the file is disposed.</summary>
    internal ReadOnlySpan<byte> Bytes(GgufTensor tensor, long start, int count)
    {
        if (start < 0 || count < 0 || start > tensor.ByteCount - count) throw new ArgumentOutOfRangeException(nameof(start));
        return _parts[tensor.FileIndex].Map.Span(tensor.Offset + start, count);
    }

    /// <summary>Tells the operating system how a tensor's bytes are going to be used.</summary>
    internal void Advise(GgufTensor tensor, MapAdvice advice) =>
        _parts[tensor.FileIndex].Map.Advise(tensor.Offset, tensor.ByteCount, advice);

    /// <summary>Tells the operating system how all of the file is going to be used.</summary>
    internal void Advise(MapAdvice advice)
    {
        foreach (GgufPart part in _parts) part.Map.Advise(0, part.Map.Length, advice);
    }

    private static OrderedDictionary<string, GgufTensor> Join(List<GgufPart> parts)
    {
        var all = new OrderedDictionary<string, GgufTensor>();
        foreach (GgufPart part in parts)
        {
            foreach ((string name, GgufTensor tensor) in part.Tensors)
            {
                if (all.TryAdd(name, tensor)) continue;
                string other = parts[all[name].FileIndex].Path;
                throw new GgufException(part.Path, $"is also in {other}", $"tensor {GgufException.Quote(name)} data", tensor.Offset);
            }
        }
        return all;
    }

    private static void OpenSplits(List<GgufPart> parts, GgufSplit split)
    {
        GgufPart given = parts[0];
        if (split.Number != 0)
        {
            parts.Clear();
            given.Dispose();
            parts.Add(OpenSplit(split, 0));
        }
        while (parts.Count < split.Count) parts.Add(OpenSplit(split, parts.Count));
        int tensorCount = parts.Sum(static part => part.Tensors.Count);
        if (tensorCount == split.TensorCount) return;
        throw parts[0].Metadata.Error(
            GgufSplit.TensorCountKey, $"is {split.TensorCount}, but the {split.Count} files have {tensorCount} tensors");
    }

    private static GgufPart OpenSplit(GgufSplit given, int number)
    {
        string path = given.PathOf(number);
        if (!File.Exists(path))
        {
            string key = $"key '{GgufSplit.CountKey}' of {given.PathOf(given.Number)}";
            throw new GgufException(path, $"is missing: the model has {given.Count} files", key, offset: null);
        }
        GgufPart part = GgufPart.Open(path, number);
        try
        {
            GgufSplit split = GgufSplit.Of(part)
                ?? throw new GgufException(path, "is no split: the key is missing or 1", $"key '{GgufSplit.CountKey}'", offset: null);
            if (split.TensorCount == given.TensorCount) return part;
            string other = given.PathOf(given.Number);
            throw part.Metadata.Error(GgufSplit.TensorCountKey, $"is {split.TensorCount}, but {given.TensorCount} in {other}");
        }
        catch
        {
            part.Dispose();
            throw;
        }
    }
}
