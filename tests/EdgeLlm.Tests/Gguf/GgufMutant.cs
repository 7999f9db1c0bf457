using System.Buffers.Binary;

namespace EdgeLlm.Tests.Gguf;

/// <summary>
/// A file on disk that is damaged, used and mended again and again: only the bytes that change are written, so that tens of
/// thousands of mutants of a megabyte take seconds.
/// </summary>
internal sealed class GgufMutant
{
    private static readonly ulong[] Interesting =
    [
        0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 31, 32, 33, 64, 255, 256, 65535, 65536, 65537, int.MaxValue, 1ul << 31, uint.MaxValue, 1ul << 32,
        1ul << 58, 1ul << 61, (1ul << 61) + 1, long.MaxValue, 1ul << 63, ulong.MaxValue - 31, ulong.MaxValue - 7, ulong.MaxValue,
    ];

    private readonly string _path;
    private readonly byte[] _original;
    private readonly byte[] _bytes;
    private readonly GgufFields _fields;
    private readonly List<(int Position, int Count)> _changes = [];
    private int _length;

    public GgufMutant(string path, byte[] original)
    {
        _path = path;
        _original = original;
        _bytes = [.. original];
        _length = original.Length;
        _fields = new GgufFields(original);
        File.WriteAllBytes(path, original);
    }

    /// <summary>The bytes that lie on disk.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _length);

    /// <summary>Damages the file in a way that the random numbers choose.</summary>
    public void Damage(Random random)
    {
        switch (random.Next(8))
        {
            case 0: FlipBits(random, _fields.HeaderLength); break;
            case 1: FlipBits(random, _bytes.Length); break;
            case 2: Overwrite(random); break;
            case 3: Truncate(random); break;
            case 4: SetNumber(random); break;
            case 5:
                SetNumber(random);
                SetNumber(random);
                break;
            case 6: Nest(random); break;
            default: Splice(random); break;
        }
        using FileStream file = new(_path, FileMode.Open, FileAccess.Write, FileShare.None, bufferSize: 0);
        Write(file, _bytes);
        if (_length < _bytes.Length) file.SetLength(_length);
    }

    /// <summary>Makes the file what it was.</summary>
    public void Mend()
    {
        if (_length < _bytes.Length) _changes.Add((_length, _bytes.Length - _length));
        using FileStream file = new(_path, FileMode.Open, FileAccess.Write, FileShare.None, bufferSize: 0);
        Write(file, _original);
        foreach ((int position, int count) in _changes) _original.AsSpan(position, count).CopyTo(_bytes.AsSpan(position));
        _changes.Clear();
        _length = _bytes.Length;
    }

    private void Write(FileStream file, byte[] from)
    {
        foreach ((int position, int count) in _changes)
        {
            file.Position = position;
            file.Write(from, position, count);
        }
    }

    private Span<byte> Change(int position, int count)
    {
        count = Math.Min(count, _bytes.Length - position);
        _changes.Add((position, count));
        return _bytes.AsSpan(position, count);
    }

    private void FlipBits(Random random, int end)
    {
        for (int flips = random.Next(1, 9); flips > 0; flips--) Change(random.Next(end), 1)[0] ^= (byte)(1 << random.Next(8));
    }

    private void Overwrite(Random random) => random.NextBytes(Change(random.Next(_fields.HeaderLength), random.Next(1, 64)));

    private void Truncate(Random random) => _length = random.Next(random.Next(2) == 0 ? _fields.HeaderLength : _bytes.Length);

    private void SetNumber(Random random)
    {
        (int position, int width) = _fields.Numbers[random.Next(_fields.Numbers.Count)];
        Span<byte> field = Change(position, width);
        ulong old = width == sizeof(uint) ? BinaryPrimitives.ReadUInt32LittleEndian(field) : BinaryPrimitives.ReadUInt64LittleEndian(field);
        ulong value = random.Next(8) switch
        {
            0 => old + 1,
            1 => old - 1,
            2 => old * 2,
            3 => (ulong)(_bytes.Length - position - width),
            4 => (ulong)random.NextInt64(),
            _ => Interesting[random.Next(Interesting.Length)],
        };
        if (width == sizeof(uint)) BinaryPrimitives.WriteUInt32LittleEndian(field, (uint)value);
        else BinaryPrimitives.WriteUInt64LittleEndian(field, value);
    }

    // Arrays of one array of one array, as deep as the rest of the file allows.
    private void Nest(Random random)
    {
        int position = _fields.Arrays[random.Next(_fields.Arrays.Count)];
        int depth = random.Next(1, Math.Max(2, Math.Min(10_000, (_bytes.Length - position) / 12)));
        Span<byte> nested = Change(position, depth * 12);
        for (; nested.Length >= 12; nested = nested[12..])
        {
            BinaryPrimitives.WriteUInt32LittleEndian(nested, 9);
            BinaryPrimitives.WriteUInt64LittleEndian(nested[4..], 1);
        }
    }

    // A run of the header over another: entries appear twice.
    private void Splice(Random random)
    {
        int count = random.Next(1, Math.Min(256, _fields.HeaderLength));
        int source = random.Next(_fields.HeaderLength - count), target = random.Next(_fields.HeaderLength - count);
        _bytes.AsSpan(source, count).CopyTo(Change(target, count));
    }
}
