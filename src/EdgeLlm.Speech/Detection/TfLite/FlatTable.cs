using System.Buffers.Binary;
using System.Text;

namespace EdgeLlm.Speech.Detection.TfLite;

/// <summary>
/// A table of FlatBuffers (flatbuffers.dev/internals): its fields are found by number through a table of offsets, and one that is left out
/// has its default. Nothing is read beyond the file.
/// </summary>
internal readonly struct FlatTable
{
    private readonly ReadOnlyMemory<byte> file;
    private readonly int position;

    private FlatTable(ReadOnlyMemory<byte> file, int position) => (this.file, this.position) = (file, position);

    /// <summary>The table at the root of a file.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public static FlatTable Root(ReadOnlyMemory<byte> file)
    {
        var start = new FlatTable(file, 0);
        return new FlatTable(file, start.Follow(0));
    }

    /// <summary>An integer of 8, 32 or 64 bits.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public int Byte(int field, int otherwise = 0) => Find(field) is { } at ? (sbyte)At(at, 1)[0] : otherwise;

    /// <inheritdoc cref="Byte"/>
    public int Integer(int field, int otherwise = 0) => Find(field) is { } at ? Int32(at) : otherwise;

    /// <summary>A table in a field; null where it is left out.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public FlatTable? Table(int field) => Find(field) is { } at ? new FlatTable(file, Follow(at)) : null;

    /// <summary>A text; empty where it is left out.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public string Text(int field) => Encoding.UTF8.GetString(Bytes(field).Span);

    /// <summary>A list of bytes.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public ReadOnlyMemory<byte> Bytes(int field) => Vector(field, 1, out _);

    /// <summary>A list of 32-bit integers.</summary>
    /// <exception cref="InvalidDataException">The file is damaged, or there are more than <paramref name="most"/>.</exception>
    public int[] Integers(int field, int most) =>
        List(field, sizeof(int), most, static bytes => BinaryPrimitives.ReadInt32LittleEndian(bytes));

    /// <summary>A list of 64-bit integers.</summary>
    /// <exception cref="InvalidDataException">The file is damaged, or there are more than <paramref name="most"/>.</exception>
    public long[] Longs(int field, int most) =>
        List(field, sizeof(long), most, static bytes => BinaryPrimitives.ReadInt64LittleEndian(bytes));

    /// <summary>A list of 32-bit floats.</summary>
    /// <exception cref="InvalidDataException">The file is damaged, or there are more than <paramref name="most"/>.</exception>
    public float[] Floats(int field, int most) =>
        List(field, sizeof(float), most, static bytes => BinaryPrimitives.ReadSingleLittleEndian(bytes));

    /// <summary>A list of tables.</summary>
    /// <exception cref="InvalidDataException">The file is damaged, or there are more than <paramref name="most"/>.</exception>
    public FlatTable[] Tables(int field, int most)
    {
        Vector(field, sizeof(int), out int first);
        int[] offsets = Integers(field, most);
        var tables = new FlatTable[offsets.Length];
        for (int i = 0; i < tables.Length; i++) tables[i] = new FlatTable(file, Follow(first + sizeof(int) * i));
        return tables;
    }

    private T[] List<T>(int field, int width, int most, Converter<ReadOnlySpan<byte>, T> read)
        where T : struct
    {
        ReadOnlySpan<byte> bytes = Vector(field, width, out _).Span;
        int count = bytes.Length / width;
        if (count > most) throw new InvalidDataException($"has a list of {count} entries; at most {most} are read");
        var list = new T[count];
        for (int i = 0; i < count; i++) list[i] = read(bytes.Slice(i * width, width));
        return list;
    }

    private ReadOnlyMemory<byte> Vector(int field, int width, out int first)
    {
        first = 0;
        if (Find(field) is not { } at) return default;
        int vector = Follow(at), count = Int32(vector);
        first = vector + sizeof(int);
        if (count < 0 || count > (file.Length - first) / width) throw Damaged();
        return file.Slice(first, count * width);
    }

    /// <summary>Where a field is; null where it is left out.</summary>
    private int? Find(int field)
    {
        long offsets = (long)position - Int32(position);
        if (offsets < 0 || offsets > file.Length) throw Damaged();
        int entry = sizeof(uint) + sizeof(ushort) * field, size = BinaryPrimitives.ReadUInt16LittleEndian(At((int)offsets, sizeof(ushort)));
        if (entry + sizeof(ushort) > size) return null;
        int offset = BinaryPrimitives.ReadUInt16LittleEndian(At((int)offsets + entry, sizeof(ushort)));
        return offset == 0 ? null : position + offset;
    }

    private int Follow(int at)
    {
        long target = at + (long)BinaryPrimitives.ReadUInt32LittleEndian(At(at, sizeof(uint)));
        return target <= file.Length - sizeof(int) ? (int)target : throw Damaged();
    }

    private int Int32(int at) => BinaryPrimitives.ReadInt32LittleEndian(At(at, sizeof(int)));

    private ReadOnlySpan<byte> At(int at, int count) => at >= 0 && at <= file.Length - count ? file.Span.Slice(at, count) : throw Damaged();

    private static InvalidDataException Damaged() => new("is not a TensorFlow Lite file, or damaged");
}
