using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Gguf;

/// <summary>
/// Walks once over the header of a file, from the fixed fields over the metadata to the list of tensors. Nothing in it is
/// believed: every length and count is held against the bytes that remain before it is used, and nothing is allocated for
/// a count but for entries that were read.
/// </summary>
internal ref struct GgufHeaderReader
{
    private readonly string _file;
    private readonly long _fileLength;
    private readonly ReadOnlyMemory<byte> _memory;
    private readonly ReadOnlySpan<byte> _bytes;
    private int _position;
    private int _nameBytes;

    // What is being read, for messages: "key" or "tensor", its number and, once read, its name.
    private string _subject = "header";
    private int _index;
    private string? _name;

    /// <param name="file">The file's path, for messages.</param>
    /// <param name="head">The file's bytes, as far as a header can reach.</param>
    /// <param name="fileLength">The bytes of the whole file.</param>
    public GgufHeaderReader(string file, ReadOnlyMemory<byte> head, long fileLength)
    {
        _file = file;
        _fileLength = fileLength;
        _memory = head;
        _bytes = head.Span;
    }

    /// <summary>Where the next byte is read: after the last tensor's entry, the length of the header.</summary>
    public readonly int Position => _position;

    /// <summary>The format version and the numbers of tensors and keys.</summary>
    public (uint Version, int TensorCount, int KeyCount) ReadFixedFields()
    {
        if (_bytes.Length < GgufRules.FixedHeaderBytes)
            throw Error($"is not a GGUF file: it has {_bytes.Length} bytes, fewer than the {GgufRules.FixedHeaderBytes} of a header",
                "header", 0);
        uint magic = ReadUInt32("magic");
        if (magic != GgufRules.Magic)
            throw Error($"is not a GGUF file: its first bytes are {Convert.ToHexString(_bytes[..4])}, not \"GGUF\"", "magic", 0);
        uint version = ReadUInt32("version");
        if ((version & 0xFFFF) == 0)
            throw Error("is a big-endian GGUF file, which is not supported; convert it to little-endian", "version", 4);
        if (version is not (2 or 3)) throw Error($"has version {version}, and only 2 and 3 are supported", "version", 4);
        // The least that an entry takes: a tensor 33 bytes, a key 14 (names of one byte).
        int tensorCount = ReadCount("number of tensors", minimumBytes: 33, GgufRules.MaximumTensors);
        int keyCount = ReadCount("number of keys", minimumBytes: 14, GgufRules.MaximumKeys);
        return (version, tensorCount, keyCount);
    }

    public OrderedDictionary<string, GgufValue> ReadMetadata(int count)
    {
        var values = new OrderedDictionary<string, GgufValue>();
        for (int index = 0; index < count; index++)
        {
            Enter("key", index);
            int start = _position;
            string key = ReadName();
            int typePosition = _position;
            var type = (GgufValueType)ReadUInt32("value type");
            int valuePosition = _position;
            SkipValue(type, typePosition);
            var value = new GgufValue(type, _memory[valuePosition.._position], valuePosition);
            if (!values.TryAdd(key, value)) throw Error("is there twice", Field(), start);
        }
        return values;
    }

    /// <summary>The alignment of the tensors' data, which a key may set.</summary>
    public readonly uint AlignmentOf(OrderedDictionary<string, GgufValue> metadata)
    {
        if (!metadata.TryGetValue(GgufRules.AlignmentKey, out GgufValue? value)) return GgufRules.DefaultAlignment;
        if (GgufRules.TryGetAlignment(value, out uint alignment)) return alignment;
        string problem = $"must be a UInt32, a power of two and at least 8, but is {value.Description}";
        throw Error(problem, $"key '{GgufRules.AlignmentKey}'", value.Offset!.Value);
    }

    /// <summary>The list of tensors. In the file their offsets are from the end of the header, rounded up to the alignment.</summary>
    public OrderedDictionary<string, GgufTensor> ReadTensors(int count, uint alignment, int fileIndex)
    {
        var tensors = new OrderedDictionary<string, GgufTensor>(count);
        var offsetPositions = new int[count];
        for (int index = 0; index < count; index++)
        {
            Enter("tensor", index);
            int start = _position;
            string name = ReadName();
            (long[] shape, ElementType type, long byteCount) = ReadShapeAndType();
            offsetPositions[index] = _position;
            ulong offset = ReadUInt64("offset");
            if (offset % alignment != 0)
                throw Error($"is {offset}, not a multiple of the alignment {alignment}", Field("offset"), offsetPositions[index]);
            if (offset > (ulong)_fileLength) throw BeyondEnd(byteCount, offset, offsetPositions[index]);
            if (!tensors.TryAdd(name, new GgufTensor(name, shape, type, (long)offset, byteCount, fileIndex)))
                throw Error("is there twice", Field(), start);
        }

        long dataStart = GgufRules.AlignUp(_position, alignment);
        for (int index = 0; index < count; index++)
        {
            GgufTensor tensor = tensors.GetAt(index).Value;
            long available = _fileLength - dataStart - tensor.Offset;
            if (tensor.ByteCount > available)
            {
                Enter("tensor", index);
                _name = tensor.Name;
                throw BeyondEnd(tensor.ByteCount, (ulong)tensor.Offset, offsetPositions[index]);
            }
            tensor.Offset += dataStart;
        }
        return tensors;
    }

    private readonly GgufException BeyondEnd(long byteCount, ulong offset, int offsetPosition)
    {
        string problem = $"needs {byteCount} bytes at {offset} of the data, but the file ends at {_fileLength}: it is truncated or damaged";
        return Error(problem, Field("offset"), offsetPosition);
    }

    private (long[] Shape, ElementType Type, long ByteCount) ReadShapeAndType()
    {
        int start = _position;
        uint dimensions = ReadUInt32("number of dimensions");
        if (dimensions is 0 or > GgufRules.MaximumDimensions)
            throw Error($"is {dimensions}, not 1 to {GgufRules.MaximumDimensions}", Field("number of dimensions"), start);
        int shapePosition = _position;
        var shape = new long[dimensions];
        foreach (ref long dimension in shape.AsSpan()) dimension = (long)ReadUInt64("shape");
        int typePosition = _position;
        var type = (ElementType)ReadUInt32("type");
        if (!ElementFormat.TryGet(type, out ElementFormat? format))
            throw Error($"is {(uint)type}, which is unknown", Field("type"), typePosition);
        if (GgufRules.ShapeProblem(shape, format, out long byteCount) is { } problem) throw Error(problem, Field("shape"), shapePosition);
        return (shape, type, byteCount);
    }

    private string ReadName()
    {
        int start = _position;
        ulong length = ReadUInt64("name");
        if (length > GgufRules.MaximumNameBytes)
            throw Error($"has {length} bytes, more than {GgufRules.MaximumNameBytes}", Field("name"), start);
        ReadOnlySpan<byte> utf8 = Take((int)length, "name");
        if (GgufRules.NameProblem(utf8) is { } problem) throw Error(problem, Field("name"), start);
        _nameBytes += utf8.Length;
        if (_nameBytes > GgufRules.MaximumNameBytesInAll)
            throw Error($"names have more than {GgufRules.MaximumNameBytesInAll} bytes in all", Field("name"), start);
        return _name = Encoding.UTF8.GetString(utf8);
    }

    private void SkipValue(GgufValueType type, int typePosition)
    {
        if (GgufRules.SizeOf(type) is > 0 and var size)
        {
            ReadOnlySpan<byte> value = Take(size, "value");
            if (type == GgufValueType.Bool && value[0] > 1)
                throw Error($"is a bool of {value[0]}, not 0 or 1", Field("value"), _position - 1);
        }
        else if (type == GgufValueType.String) SkipString();
        else if (type == GgufValueType.Array) SkipArray();
        else throw Error($"is {(uint)type}, which is unknown", Field("value type"), typePosition);
    }

    private void SkipArray()
    {
        int start = _position;
        var itemType = (GgufValueType)ReadUInt32("array's item type");
        if (itemType == GgufValueType.Array)
            throw Error("is an array of arrays, which is not supported", Field("array's item type"), start);
        if (itemType > GgufValueType.Float64) throw Error($"is {(uint)itemType}, which is unknown", Field("array's item type"), start);
        int countPosition = _position;
        ulong count = ReadUInt64("array's count");
        int size = GgufRules.SizeOf(itemType);
        int least = itemType == GgufValueType.String ? sizeof(ulong) : size;
        if (count > (ulong)(_bytes.Length - _position) / (ulong)least)
            throw Error($"is {count}, more than the {Remaining} can hold", Field("array's count"), countPosition);
        if (itemType == GgufValueType.String)
        {
            for (ulong item = 0; item < count; item++) SkipString();
            return;
        }
        ReadOnlySpan<byte> items = Take((int)count * size, "array");
        if (itemType == GgufValueType.Bool && items.IndexOfAnyExcept((byte)0, (byte)1) is >= 0 and var wrong)
            throw Error($"has a bool of {items[wrong]}, not 0 or 1", Field("array"), _position - items.Length + wrong);
    }

    private void SkipString()
    {
        int start = _position;
        ulong length = ReadUInt64("string length");
        if (length > (ulong)(_bytes.Length - _position))
            throw Error($"is {length}, more than the {Remaining}", Field("string length"), start);
        _position += (int)length;
    }

    private int ReadCount(string field, int minimumBytes, int maximum)
    {
        int start = _position;
        ulong count = ReadUInt64(field);
        if (count > (ulong)(_bytes.Length - _position) / (ulong)minimumBytes)
            throw Error($"is {count}, more than the {Remaining} can hold", field, start);
        if (count > (ulong)maximum) throw Error($"is {count}, more than the {maximum} that are supported", field, start);
        return (int)count;
    }

    private uint ReadUInt32(string field) => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint), field));

    private ulong ReadUInt64(string field) => BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong), field));

    private ReadOnlySpan<byte> Take(int count, string field)
    {
        if (count > _bytes.Length - _position)
            throw Error($"needs {count} bytes, more than the {Remaining}: the file is truncated or damaged", Field(field), _position);
        ReadOnlySpan<byte> taken = _bytes.Slice(_position, count);
        _position += count;
        return taken;
    }

    private readonly string Remaining => _bytes.Length < _fileLength
        ? $"{_bytes.Length - _position} bytes that a header of 2 GB has left"
        : $"{_bytes.Length - _position} bytes that the file has left";

    [MemberNotNull(nameof(_subject))]
    private void Enter(string subject, int index)
    {
        _subject = subject;
        _index = index;
        _name = null;
    }

    // "version", "tensor 3 name", "tensor 'output.weight' shape"; long names are cut.
    private readonly string Field(string part = "")
    {
        if (_subject == "header") return part;
        string which = _name is null ? _index.ToString(CultureInfo.InvariantCulture) : GgufException.Quote(_name);
        return part.Length == 0 ? $"{_subject} {which}" : $"{_subject} {which} {part}";
    }

    private readonly GgufException Error(string problem, string field, long offset) => new(_file, problem, field, offset);
}
