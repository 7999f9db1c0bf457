using System.Buffers.Binary;
using System.Text;
using EdgeLlm.Gguf;

namespace EdgeLlm.HuggingFace;

/// <summary>
/// Where the entries of a mapped zip archive are, all of which have to be stored as they are: neither compressed nor encrypted, none over
/// another. Format: PKWARE's APPNOTE.TXT, with its zip64.
/// </summary>
internal sealed class StoredZip
{
    private const int MostEntries = 200_000;
    private const int MostNameBytes = 1024;
    private const int EndBytes = 22, LocatorBytes = 20, End64Bytes = 56, CentralBytes = 46, LocalBytes = 30;
    private const uint EndMark = 0x06054B50, LocatorMark = 0x07064B50, End64Mark = 0x06064B50,
        CentralMark = 0x02014B50, LocalMark = 0x04034B50;

    private readonly MappedFile _map;
    private readonly Dictionary<string, (long Offset, long Length)> _entries = [];

    /// <exception cref="ModelException">It is not a zip archive, a damaged one, or one with entries that are compressed.</exception>
    public StoredZip(MappedFile map)
    {
        _map = map;
        (long start, long length, long count) = FindDirectory();
        if (start < 0 || length < 0 || start > map.Length - length)
            throw Error("has a directory that is not in it: it is cut short or damaged");
        if (count < 0 || count > MostEntries) throw Error($"has {count} entries, more than {MostEntries}");
        var places = new List<(long Start, long End)> { (start, start + length) };
        long position = start;
        for (long number = 0; number < count; number++) places.Add(ReadEntry(ref position, start + length));
        places.Sort();
        for (int i = 1; i < places.Count; i++)
        {
            if (places[i].Start < places[i - 1].End) throw Error($"has entries that overlap at byte {places[i].Start}");
        }
    }

    /// <summary>Names of the entries and where their bytes are in the file.</summary>
    public IReadOnlyDictionary<string, (long Offset, long Length)> Entries => _entries;

    /// <summary>Where the directory is, by the record at the end of the file, which may have a comment after it.</summary>
    private (long Start, long Length, long Count) FindDirectory()
    {
        for (long end = _map.Length - EndBytes, last = Math.Max(0, end - ushort.MaxValue); end >= last; end--)
        {
            ReadOnlySpan<byte> record = _map.Span(end, EndBytes);
            if (U32(record, 0) != EndMark || U16(record, 20) != _map.Length - end - EndBytes) continue;
            bool isLarge = U16(record, 10) == ushort.MaxValue || U32(record, 12) == uint.MaxValue || U32(record, 16) == uint.MaxValue;
            return isLarge ? FindLargeDirectory(end) : (U32(record, 16), U32(record, 12), U16(record, 10));
        }
        throw Error("is no zip archive, or cut short");
    }

    private (long Start, long Length, long Count) FindLargeDirectory(long end)
    {
        if (end < LocatorBytes || U32(_map.Span(end - LocatorBytes, LocatorBytes), 0) != LocatorMark)
            throw Error("is a large zip archive without its second directory: it is damaged");
        long place = I64(_map.Span(end - LocatorBytes, LocatorBytes), 8);
        if (place < 0 || place > end - LocatorBytes - End64Bytes)
            throw Error("has a directory that is not in it: it is cut short or damaged");
        ReadOnlySpan<byte> record = _map.Span(place, End64Bytes);
        return U32(record, 0) == End64Mark ? (I64(record, 48), I64(record, 40), I64(record, 32))
            : throw Error("is a large zip archive without its second directory: it is damaged");
    }

    /// <summary>Reads an entry of the directory; gives what it takes of the file, with its own header.</summary>
    private (long Start, long End) ReadEntry(ref long position, long directoryEnd)
    {
        if (position > directoryEnd - CentralBytes) throw Error("has a directory that is cut short");
        ReadOnlySpan<byte> record = _map.Span(position, CentralBytes);
        if (U32(record, 0) != CentralMark) throw Error("has a damaged directory");
        int nameBytes = U16(record, 28), extraBytes = U16(record, 30), commentBytes = U16(record, 32);
        if (nameBytes > MostNameBytes || position + CentralBytes + nameBytes + extraBytes + commentBytes > directoryEnd)
            throw Error("has a damaged directory");
        ReadOnlySpan<byte> nameUtf8 = _map.Span(position + CentralBytes, nameBytes);
        string name = System.Text.Unicode.Utf8.IsValid(nameUtf8) ? Encoding.UTF8.GetString(nameUtf8)
            : throw Error("has an entry whose name is not valid UTF-8");
        (long packed, long length, long header) = (U32(record, 20), U32(record, 24), U32(record, 42));
        ReadLarge(_map.Span(position + CentralBytes + nameBytes, extraBytes), ref length, ref packed, ref header);
        if ((U16(record, 8) & 1) != 0) throw Error($"has the entry {FolderFile.Printable(name)}, which is encrypted");
        if (U16(record, 10) != 0 || packed != length)
            throw Error($"has the entry {FolderFile.Printable(name)}, which is compressed; torch stores tensors as they are");
        position += CentralBytes + nameBytes + extraBytes + commentBytes;

        if (header < 0 || header > _map.Length - LocalBytes || U32(_map.Span(header, LocalBytes), 0) != LocalMark)
            throw Error($"has no entry where its directory has {FolderFile.Printable(name)}");
        ReadOnlySpan<byte> local = _map.Span(header, LocalBytes);
        int localNameBytes = U16(local, 26);
        long start = header + LocalBytes + localNameBytes + U16(local, 28);
        if (length < 0 || start > _map.Length - length)
            throw Error(
                $"has the entry {FolderFile.Printable(name)} of {length} bytes, more than the file has: it is cut short or damaged");
        if (!_map.Span(header + LocalBytes, localNameBytes).SequenceEqual(nameUtf8))
            throw Error($"has another entry where its directory has {FolderFile.Printable(name)}");
        if (!_entries.TryAdd(name, (start, length))) throw Error($"has the entry {FolderFile.Printable(name)} twice");
        return (header, start + length);
    }

    /// <summary>Numbers that don't fit 32 bits are in an extra field (id 1), in this order.</summary>
    private void ReadLarge(ReadOnlySpan<byte> extra, ref long length, ref long packed, ref long header)
    {
        while (extra.Length >= 4)
        {
            int id = U16(extra, 0), size = U16(extra, 2);
            if (size > extra.Length - 4) throw Error("has a damaged directory");
            ReadOnlySpan<byte> field = extra.Slice(4, size);
            extra = extra[(4 + size)..];
            if (id != 1) continue;
            length = Take(length, ref field);
            packed = Take(packed, ref field);
            header = Take(header, ref field);
        }

        long Take(long number, ref ReadOnlySpan<byte> field)
        {
            if (number != uint.MaxValue) return number;
            if (field.Length < 8) throw Error("has a damaged directory");
            number = I64(field, 0);
            field = field[8..];
            return number;
        }
    }

    private ModelException Error(string problem) => new(_map.Path, problem);

    private static int U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static long I64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes[at..]);
}
