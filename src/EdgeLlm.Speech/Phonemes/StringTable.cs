using System.Buffers.Binary;
using System.Text;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>
/// Sorted texts, each with bytes that belong to it, read where they are (in a mapped file): nothing is parsed before a look-up.
/// </summary>
/// <remarks>
/// Little-endian: count, bytes of the longest key, start of each block from the first byte after these numbers (uint32 each); then blocks
/// of 16 entries: bytes shared with the key before (0 for a block's first), bytes that follow, those bytes, bytes of the value, the value;
/// lengths are 7 bits a byte, low ones first, the high bit set where more follow. Keys are UTF-8, sorted by their bytes.
/// </remarks>
internal sealed class StringTable
{
    public const int BlockEntries = 16;
    private const int HeaderBytes = 8;

    private readonly string _name;
    private readonly ReadOnlyMemory<byte> _bytes;
    private readonly int _longestKey;
    private readonly int _blocks;

    /// <param name="name">What messages call the table.</param>
    /// <exception cref="InvalidDataException">The bytes are not such a table's.</exception>
    public StringTable(string name, ReadOnlyMemory<byte> bytes)
    {
        (_name, _bytes) = (name, bytes);
        ReadOnlySpan<byte> span = bytes.Span;
        if (span.Length < HeaderBytes) throw Damaged();
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(span), longest = BinaryPrimitives.ReadUInt32LittleEndian(span[4..]);
        if (count > span.Length || longest > span.Length) throw Damaged();
        (Count, _longestKey) = ((int)count, (int)longest);
        _blocks = (Count + BlockEntries - 1) / BlockEntries;
        if (span.Length < HeaderBytes + 4L * _blocks) throw Damaged();
    }

    /// <summary>Number of keys.</summary>
    public int Count { get; }

    /// <summary>The value of a key; false where the table has no such key.</summary>
    /// <exception cref="InvalidDataException">The table is damaged where it was read.</exception>
    public bool TryFind(scoped ReadOnlySpan<char> key, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (key.Length > _longestKey) return false; // a char is one byte or more
        Span<byte> utf8 = stackalloc byte[256];
        if (!Encoding.UTF8.TryGetBytes(key, utf8, out int length)) return false;
        return TryFind(utf8[..length], out value);
    }

    /// <summary>The value as text, or null where the table has no such key.</summary>
    public string? Find(ReadOnlySpan<char> key) => TryFind(key, out ReadOnlySpan<byte> value) ? Encoding.UTF8.GetString(value) : null;

    /// <summary>All keys and values in order.</summary>
    public IEnumerable<(string Key, byte[] Value)> Entries()
    {
        byte[] key = new byte[_longestKey];
        int position = 0;
        for (int index = 0; index < Count; index++)
        {
            if (index % BlockEntries == 0) position = BlockStart(index / BlockEntries);
            yield return Read(ref position, key);
        }
    }

    private bool TryFind(scoped ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (key.Length > _longestKey || Count == 0) return false;
        ReadOnlySpan<byte> bytes = _bytes.Span;
        int low = 0, high = _blocks; // the block is the last whose first key is not greater
        while (high - low > 1)
        {
            int middle = (low + high) / 2, start = BlockStart(middle);
            Number(bytes, ref start);
            if (Part(bytes, ref start).SequenceCompareTo(key) <= 0) low = middle;
            else high = middle;
        }
        int position = BlockStart(low), matched = 0; // bytes of the key that the entry before has, too
        for (int entry = low * BlockEntries; entry < Math.Min(Count, (low + 1) * BlockEntries); entry++)
        {
            int shared = Number(bytes, ref position);
            ReadOnlySpan<byte> rest = Part(bytes, ref position), found = Part(bytes, ref position);
            if (shared < matched) return false; // greater than the key from here on
            if (shared > matched) continue;
            ReadOnlySpan<byte> wanted = key[matched..];
            int common = wanted.CommonPrefixLength(rest);
            if (common == rest.Length && common == wanted.Length)
            {
                value = found;
                return true;
            }
            if (common == wanted.Length || common < rest.Length && rest[common] > wanted[common]) return false;
            matched += common;
        }
        return false;
    }

    private (string Key, byte[] Value) Read(ref int position, byte[] key)
    {
        ReadOnlySpan<byte> bytes = _bytes.Span;
        int shared = Number(bytes, ref position);
        ReadOnlySpan<byte> rest = Part(bytes, ref position);
        if (shared + rest.Length > key.Length) throw Damaged();
        rest.CopyTo(key.AsSpan(shared));
        return (Encoding.UTF8.GetString(key, 0, shared + rest.Length), Part(bytes, ref position).ToArray());
    }

    private int BlockStart(int block)
    {
        uint start = BinaryPrimitives.ReadUInt32LittleEndian(_bytes.Span[(HeaderBytes + 4 * block)..]);
        int data = HeaderBytes + 4 * _blocks;
        return start <= _bytes.Length - data ? data + (int)start : throw Damaged();
    }

    private ReadOnlySpan<byte> Part(ReadOnlySpan<byte> bytes, scoped ref int position)
    {
        int length = Number(bytes, ref position);
        if (length > bytes.Length - position) throw Damaged();
        position += length;
        return bytes.Slice(position - length, length);
    }

    private int Number(ReadOnlySpan<byte> bytes, scoped ref int position)
    {
        int number = 0;
        for (int shift = 0; shift < 28; shift += 7)
        {
            if (position >= bytes.Length) throw Damaged();
            byte next = bytes[position++];
            number |= (next & 127) << shift;
            if (next < 128) return number;
        }
        throw Damaged();
    }

    private InvalidDataException Damaged() => new($"the voice's table '{_name}' is damaged: get the voice's file again");

    /// <summary>The bytes of a table.</summary>
    /// <param name="entries">Keys and values; a key that comes twice is an error.</param>
    public static byte[] Write(IEnumerable<KeyValuePair<string, byte[]>> entries)
    {
        (byte[] Key, byte[] Value)[] sorted = [.. entries.Select(static entry => (Encoding.UTF8.GetBytes(entry.Key), entry.Value))];
        Array.Sort(sorted, static (a, b) => a.Key.AsSpan().SequenceCompareTo(b.Key));
        var data = new MemoryStream();
        var starts = new List<int>();
        for (int index = 0; index < sorted.Length; index++)
        {
            (byte[] key, byte[] value) = sorted[index];
            bool first = index % BlockEntries == 0;
            if (first) starts.Add((int)data.Length);
            int shared = first ? 0 : key.AsSpan().CommonPrefixLength(sorted[index - 1].Key);
            WriteNumber(data, shared);
            WriteNumber(data, key.Length - shared);
            data.Write(key.AsSpan(shared));
            WriteNumber(data, value.Length);
            data.Write(value);
        }
        var table = new MemoryStream();
        using var writer = new BinaryWriter(table);
        writer.Write(sorted.Length);
        writer.Write(sorted.Length == 0 ? 0 : sorted.Max(static entry => entry.Key.Length));
        foreach (int start in starts) writer.Write(start);
        data.WriteTo(table);
        return table.ToArray();
    }

    private static void WriteNumber(MemoryStream data, int number)
    {
        for (; number >= 128; number >>= 7) data.WriteByte((byte)(number | 128));
        data.WriteByte((byte)number);
    }
}
