using System.Runtime.InteropServices;

namespace EdgeLlm.Gguf;

/// <summary>
/// A GGUF file (version 2 or 3, little-endian), or all files of one that is split: mapped into memory read-only and shared,
/// so that opening costs no more than one walk over the header. Everything in the header is checked. A model in files of another format
/// (a Hugging Face folder) is one, too, once its keys and tensors have GGUF's names.
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
        Metadata = parts[0].Metadata;
        Maps = [.. parts.Select(part => part.Map)];
        _tensors = parts.Count == 1 ? parts[0].Tensors : Join(parts);
        foreach ((string name, PackedTensor packed) in PackedTensors.Read(Metadata, _tensors)) _tensors[name].Packed = packed;
    }

    /// <summary>A model whose tensors are in files of another format.</summary>
    /// <param name="maps">The files, which are disposed of with this; <see cref="GgufTensor.FileIndex"/> counts them.</param>
    internal GgufFile(string path, OrderedDictionary<string, GgufValue> metadata, OrderedDictionary<string, GgufTensor> tensors,
        IReadOnlyList<MappedFile> maps)
    {
        (Path, _parts, _tensors, Maps) = (path, [], tensors, maps);
        Metadata = new GgufMetadata(path, metadata);
    }

    /// <summary>The path that was opened.</summary>
    public string Path { get; }

    /// <summary>The format's version: 2 or 3; 0 of a model in files of another format.</summary>
    public uint Version => _parts.Count == 0 ? 0 : _parts[0].Version;

    /// <summary>The keys and values; of the first file, where there are several.</summary>
    public GgufMetadata Metadata { get; }

    /// <summary>The tensors in the order of the header, file by file.</summary>
    public IReadOnlyList<GgufTensor> Tensors => _tensors.Values;

    /// <summary>The bytes of the file, of all splits together.</summary>
    public long FileSize => Maps.Sum(static map => map.Length);

    /// <summary>The files, one where it is not split; <see cref="GgufTensor.FileIndex"/> counts them.</summary>
    internal IReadOnlyList<MappedFile> Maps { get; }

    /// <summary>The headers of the files; none where they are of another format.</summary>
    internal IReadOnlyList<GgufPart> Parts => _parts;

    /// <summary>Whether it is a model in files of another format: a Hugging Face folder.</summary>
    internal bool IsFolder => _parts.Count == 0;

    /// <summary>Notes on the files: parts that are not used, a line each.</summary>
    internal IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Bytes of memory that hold converted tensors (<see cref="GgufTensor.Converted"/>).</summary>
    internal long ConvertedBytes => Tensors.Sum(static tensor => tensor.Converted is null ? 0 : tensor.ByteCount);

    /// <summary>
    /// About how many bytes of memory reading what is beside the tensors takes: a folder's tokenizer.json. A file's is read where it is.
    /// </summary>
    internal long ReadingBytes { get; init; }

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

    /// <summary>
    /// Ends the map. Pointers and spans into it are dead; asking for new ones throws <see cref="ObjectDisposedException"/>.
    /// </summary>
    public void Dispose()
    {
        foreach (MappedFile map in Maps) map.Dispose();
    }

    /// <summary>The address (a `byte*`) of a tensor's <see cref="GgufTensor.ByteCount"/> bytes, valid until the file is disposed.</summary>
    internal nint Pointer(GgufTensor tensor) => tensor.Converted is { } numbers
        ? Marshal.UnsafeAddrOfPinnedArrayElement(numbers, 0) : Maps[tensor.FileIndex].Address(tensor.Offset, tensor.ByteCount);

    /// <summary>Bytes of a tensor, without a copy, valid until the file is disposed.</summary>
    internal ReadOnlySpan<byte> Bytes(GgufTensor tensor, long start, int count)
    {
        if (start < 0 || count < 0 || start > tensor.ByteCount - count) throw new ArgumentOutOfRangeException(nameof(start));
        return tensor.Converted is { } numbers ? MemoryMarshal.AsBytes(numbers.AsSpan()).Slice((int)start, count)
            : Maps[tensor.FileIndex].Span(tensor.Offset + start, count);
    }

    /// <summary>Tells the operating system how a tensor's bytes are going to be used.</summary>
    internal void Advise(GgufTensor tensor, MapAdvice advice)
    {
        if (tensor.Converted is null) Maps[tensor.FileIndex].Advise(tensor.Offset, tensor.ByteCount, advice);
    }

    /// <summary>Tells the operating system how all of the file is going to be used.</summary>
    internal void Advise(MapAdvice advice)
    {
        foreach (MappedFile map in Maps) map.Advise(0, map.Length, advice);
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
