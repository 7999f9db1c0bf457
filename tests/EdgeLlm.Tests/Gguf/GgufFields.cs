using System.Buffers.Binary;

namespace EdgeLlm.Tests.Gguf;

/// <summary>Where the numbers lie that steer a reader in a good file: counts, lengths, types, dimensions and offsets.</summary>
internal sealed class GgufFields
{
    private readonly byte[] _bytes;
    private int _position = 4;

    public GgufFields(byte[] bytes)
    {
        _bytes = bytes;
        UInt32(); // version
        ulong tensors = UInt64();
        ulong keys = UInt64();
        for (ulong key = 0; key < keys; key++)
        {
            Text();
            Value(UInt32());
        }
        for (ulong tensor = 0; tensor < tensors; tensor++)
        {
            Text();
            uint dimensions = UInt32();
            for (uint dimension = 0; dimension < dimensions; dimension++) UInt64();
            UInt32(); // type
            UInt64(); // offset
        }
        HeaderLength = _position;
    }

    public List<(int Position, int Width)> Numbers { get; } = [];

    /// <summary>Where arrays start: at the type of their items.</summary>
    public List<int> Arrays { get; } = [];

    public int HeaderLength { get; }

    private void Value(uint type)
    {
        switch (type)
        {
            case 0 or 1 or 7: _position += 1; break;
            case 2 or 3: _position += 2; break;
            case 4 or 5 or 6: _position += 4; break;
            case 8: Text(); break;
            case 9:
                Arrays.Add(_position);
                uint itemType = UInt32();
                ulong count = UInt64();
                int numbersBefore = Numbers.Count;
                for (ulong item = 0; item < count; item++) Value(itemType);
                // A vocabulary's lengths would outnumber all others: its first and last will do.
                if (Numbers.Count > numbersBefore + 8) Numbers.RemoveRange(numbersBefore + 4, Numbers.Count - numbersBefore - 8);
                break;
            default: _position += 8; break;
        }
    }

    private void Text()
    {
        ulong length = UInt64();
        _position += (int)length;
    }

    private uint UInt32()
    {
        Numbers.Add((_position, sizeof(uint)));
        _position += sizeof(uint);
        return BinaryPrimitives.ReadUInt32LittleEndian(_bytes.AsSpan(_position - sizeof(uint)));
    }

    private ulong UInt64()
    {
        Numbers.Add((_position, sizeof(ulong)));
        _position += sizeof(ulong);
        return BinaryPrimitives.ReadUInt64LittleEndian(_bytes.AsSpan(_position - sizeof(ulong)));
    }
}
