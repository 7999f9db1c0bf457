using System.Text;
using EdgeLlm.Files;
using EdgeLlm.Kernels.Formats;
using Microsoft.Win32.SafeHandles;

namespace EdgeLlm.Gguf;

/// <summary>
/// Collects keys and tensors, then writes them as a GGUF file (version 3, or that of the file copied from). Names, shapes
/// and alignment are held to the rules of the reader. A copy of a file to which nothing was done is the same file, byte
/// for byte; where only keys were changed, the data of the tensors is copied as it is.
/// </summary>
public sealed class GgufWriter
{
    private const int CopyBytes = 1 << 20;
    private const int FlushBytes = 32 << 20;

    private readonly OrderedDictionary<string, GgufValue> _metadata = [];
    private readonly OrderedDictionary<string, PendingTensor> _tensors = [];
    private uint _version = 3;

    // The file copied from, while its tensors are as they were: their layout is kept, gaps and tail included.
    private GgufPart? _layout;

    /// <summary>The alignment of tensors in the file, in bytes: key `general.alignment`, or 32.</summary>
    public uint Alignment => _metadata.TryGetValue(GgufRules.AlignmentKey, out GgufValue? value) && value.TryGetInteger(out uint alignment)
        ? alignment
        : GgufRules.DefaultAlignment;

    /// <summary>
    /// A writer with all keys and tensors of a file, which must stay open until the writer has written. Splits become one
    /// file, without the keys `split.*`.
    /// </summary>
    public static GgufWriter CopyOf(GgufFile file)
    {
        var writer = new GgufWriter { _version = file.IsFolder ? 3 : file.Version };
        bool isSplit = file.Parts.Count > 1;
        foreach ((string key, GgufValue value) in file.Metadata)
        {
            bool isSplitKey = key is GgufSplit.NumberKey or GgufSplit.CountKey or GgufSplit.TensorCountKey;
            if (!isSplit || !isSplitKey) writer._metadata.Add(key, value);
        }
        foreach (GgufTensor tensor in file.Tensors)
        {
            Action<Stream> copy = output => CopyTensor(file, tensor, output);
            writer._tensors.Add(tensor.Name, new PendingTensor([.. tensor.Shape], tensor.Type, tensor.ByteCount, copy));
        }
        writer._layout = file.Parts.Count == 1 ? file.Parts[0] : null;
        return writer;
    }

    /// <summary>Sets a key: in its place where the writer has it, else at the end.</summary>
    /// <exception cref="ArgumentException">The key is empty, too long or not text, or the value is not an alignment.</exception>
    public void Set(string key, GgufValue value)
    {
        CheckName(key, nameof(key));
        if (key == GgufRules.AlignmentKey)
        {
            if (!GgufRules.TryGetAlignment(value, out uint alignment))
                throw new ArgumentException($"must be a UInt32, a power of two and at least 8, but is {value.Description}", nameof(value));
            if (alignment != Alignment) _layout = null;
        }
        _metadata[key] = value;
    }

    /// <summary>Removes a key; false where there is none.</summary>
    public bool Remove(string key)
    {
        uint before = Alignment;
        bool removed = _metadata.Remove(key);
        if (Alignment != before) _layout = null;
        return removed;
    }

    /// <summary>Adds a tensor after the others, or puts it in the place of the one with its name.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="shape">One to four dimensions in ggml's order: the length of a row first.</param>
    /// <param name="type">How the values are stored.</param>
    /// <param name="write">Writes the bytes, all of them, when the file is written.</param>
    /// <exception cref="ArgumentException">The name or the shape is not one that a file can have.</exception>
    public void SetTensor(string name, ReadOnlySpan<long> shape, ElementType type, Action<Stream> write)
    {
        CheckName(name, nameof(name));
        if (GgufRules.ShapeProblem(shape, ElementFormat.Get(type), out long byteCount) is { } problem)
            throw new ArgumentException($"tensor '{name}' {problem}", nameof(shape));
        _tensors[name] = new PendingTensor(shape.ToArray(), type, byteCount, write);
        _layout = null;
    }

    /// <summary>Removes a tensor; false where there is none.</summary>
    public bool RemoveTensor(string name)
    {
        bool removed = _tensors.Remove(name);
        if (removed) _layout = null;
        return removed;
    }

    /// <summary>
    /// Writes the file under another name beside its place, then puts it there, so that the place never holds half a file
    /// (and may be the file copied from, except on Windows).
    /// </summary>
    public void Save(string path) => AtomicFile.Write(path, WriteToDisk);

    /// <summary>Starts writing to the disk while the next tensors are computed, so that the end need not wait for all of it.</summary>
    private void WriteToDisk(FileStream output)
    {
        SafeFileHandle handle = output.SafeFileHandle;
        long flushed = 0;
        Task flushing = Task.CompletedTask;
        try
        {
            Write(output, position =>
            {
                if (position - flushed < FlushBytes || !flushing.IsCompletedSuccessfully) return;
                flushed = position;
                flushing = Task.Run(() => RandomAccess.FlushToDisk(handle));
            });
        }
        finally
        {
            flushing.GetAwaiter().GetResult();
        }
    }

    /// <summary>Writes the file's bytes to a stream that knows its position.</summary>
    /// <exception cref="InvalidOperationException">A tensor's bytes were more or fewer than its shape and type take.</exception>
    public void Write(Stream output) => Write(output, static _ => { });

    /// <param name="written">Receives the position after each tensor.</param>
    private void Write(Stream output, Action<long> written)
    {
        byte[] header = EncodeHeader();
        output.Write(header);
        if (_layout is not null)
        {
            // The bytes that fill up the header belong to the layout where they still fit.
            bool sameFill = header.Length % Alignment == _layout.HeaderLength % Alignment;
            if (!sameFill && _tensors.Count > 0) WriteFill(output, header.Length);
            Copy(_layout.Map, sameFill ? _layout.HeaderLength : _layout.DataStart, _layout.Map.Length, output);
            return;
        }
        if (_tensors.Count > 0) WriteFill(output, header.Length);
        foreach ((string name, PendingTensor tensor) in _tensors)
        {
            long start = output.Position;
            tensor.Write(output);
            long count = output.Position - start;
            if (count != tensor.ByteCount)
                throw new InvalidOperationException($"tensor '{name}' takes {tensor.ByteCount} bytes, but {count} were written");
            WriteFill(output, count);
            written(start + count);
        }
    }

    private byte[] EncodeHeader()
    {
        var buffer = new MemoryStream();
        using var header = new BinaryWriter(buffer);
        header.Write(GgufRules.Magic);
        header.Write(_version);
        header.Write((ulong)_tensors.Count);
        header.Write((ulong)_metadata.Count);
        foreach ((string key, GgufValue value) in _metadata)
        {
            WriteName(header, key);
            header.Write((uint)value.Type);
            header.Write(value.Encoded.Span);
        }
        long offset = 0;
        for (int index = 0; index < _tensors.Count; index++)
        {
            (string name, PendingTensor tensor) = _tensors.GetAt(index);
            WriteName(header, name);
            header.Write((uint)tensor.Shape.Length);
            foreach (long dimension in tensor.Shape) header.Write((ulong)dimension);
            header.Write((uint)tensor.Type);
            header.Write((ulong)(_layout is null ? offset : _layout.Tensors.GetAt(index).Value.Offset - _layout.DataStart));
            offset = checked(GgufRules.AlignUp(offset + tensor.ByteCount, Alignment));
        }
        return buffer.ToArray();
    }

    private void WriteFill(Stream output, long written)
    {
        Span<byte> zeros = stackalloc byte[256];
        zeros.Clear();
        for (long rest = GgufRules.AlignUp(written, Alignment) - written; rest > 0; rest -= zeros.Length)
            output.Write(zeros[..(int)Math.Min(rest, zeros.Length)]);
    }

    private static void WriteName(BinaryWriter header, string name)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(name);
        header.Write((ulong)utf8.Length);
        header.Write(utf8);
    }

    private static void CopyTensor(GgufFile file, GgufTensor tensor, Stream output)
    {
        for (long position = 0; position < tensor.ByteCount; position += CopyBytes)
            output.Write(file.Bytes(tensor, position, (int)Math.Min(CopyBytes, tensor.ByteCount - position)));
    }

    private static void Copy(MappedFile map, long start, long end, Stream output)
    {
        for (long position = start; position < end; position += CopyBytes)
            output.Write(map.Span(position, (int)Math.Min(CopyBytes, end - position)));
    }

    private static void CheckName(string name, string parameter)
    {
        // Text that UTF-16 cannot hold either (half a surrogate pair) would come back as other text.
        byte[] utf8 = Encoding.UTF8.GetBytes(name);
        string? problem = GgufRules.NameProblem(utf8) ?? (Encoding.UTF8.GetString(utf8) == name ? null : "is not valid UTF-16");
        if (problem is not null) throw new ArgumentException($"the name {problem}", parameter);
    }

    /// <param name="Shape">ggml's order.</param>
    /// <param name="Type">How the values are stored.</param>
    /// <param name="ByteCount">The bytes that shape and type take.</param>
    /// <param name="Write">Writes them.</param>
    private sealed record PendingTensor(long[] Shape, ElementType Type, long ByteCount, Action<Stream> Write);
}
