using System.Buffers.Binary;
using System.Text;

namespace EdgeLlm.Speech.Onnx;

/// <summary>
/// The fields of a message of Protocol Buffers (protobuf.dev/programming-guides/encoding), one after the other. Nothing is read beyond the
/// message.
/// </summary>
internal struct ProtobufReader(ReadOnlyMemory<byte> message)
{
    private ReadOnlyMemory<byte> rest = message, bytes;
    private ulong number;

    /// <summary>Number of the field at hand.</summary>
    public int Field { get; private set; }

    /// <summary>How the field at hand is stored.</summary>
    public ProtobufKind Kind { get; private set; }

    /// <summary>The field's integer.</summary>
    /// <exception cref="InvalidDataException">The field is not one.</exception>
    public readonly long Number => Kind == ProtobufKind.VarInt ? (long)number : throw Wrong();

    /// <summary>The field's 32-bit float.</summary>
    /// <exception cref="InvalidDataException">The field is not one.</exception>
    public readonly float Float => Kind == ProtobufKind.FourBytes ? BitConverter.UInt32BitsToSingle((uint)number) : throw Wrong();

    /// <summary>The bits of a field of four or eight bytes, in the lower ones.</summary>
    /// <exception cref="InvalidDataException">The field is not one.</exception>
    public readonly ulong Bits => Kind is ProtobufKind.FourBytes or ProtobufKind.EightBytes ? number : throw Wrong();

    /// <summary>The field's bytes: a message, a text, numbers side by side.</summary>
    /// <exception cref="InvalidDataException">The field has none.</exception>
    public readonly ReadOnlyMemory<byte> Bytes => Kind == ProtobufKind.Length ? bytes : throw Wrong();

    /// <summary>The field's text.</summary>
    /// <exception cref="InvalidDataException">The field is not one.</exception>
    public readonly string Text => Encoding.UTF8.GetString(Bytes.Span);

    /// <summary>Reads the next field. False at the end of the message.</summary>
    /// <exception cref="InvalidDataException">The message is damaged.</exception>
    public bool Read()
    {
        if (rest.IsEmpty) return false;
        ulong key = ReadVarint();
        (Field, Kind) = ((int)Math.Min(key >> 3, int.MaxValue), (ProtobufKind)(key & 7));
        switch (Kind)
        {
            case ProtobufKind.VarInt:
                number = ReadVarint();
                break;
            case ProtobufKind.EightBytes:
                number = BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong)).Span);
                break;
            case ProtobufKind.Length:
                bytes = Take(ReadVarint());
                break;
            case ProtobufKind.FourBytes:
                number = BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint)).Span);
                break;
            default: throw Wrong();
        }
        return true;
    }

    /// <summary>Adds the field's integers, one or many side by side.</summary>
    /// <exception cref="InvalidDataException">They are damaged, or more than <paramref name="most"/>.</exception>
    public void AddNumbers(List<long> numbers, int most)
    {
        if (Kind == ProtobufKind.VarInt) numbers.Add(Number);
        else
        {
            for (var packed = new ProtobufReader(Bytes); !packed.rest.IsEmpty;)
            {
                numbers.Add((long)packed.ReadVarint());
                if (numbers.Count > most) break;
            }
        }
        if (numbers.Count > most) throw new InvalidDataException($"has a list of more than {most} numbers");
    }

    private ulong ReadVarint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            byte part = Take(1).Span[0];
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80) return value;
        }
        throw Wrong();
    }

    private ReadOnlyMemory<byte> Take(ulong count)
    {
        if (count > (ulong)rest.Length) throw new InvalidDataException("is cut off or damaged");
        ReadOnlyMemory<byte> taken = rest[..(int)count];
        rest = rest[(int)count..];
        return taken;
    }

    private static InvalidDataException Wrong() => new("is not an ONNX file, or damaged");
}

/// <summary>Wire types of Protocol Buffers.</summary>
internal enum ProtobufKind
{
    VarInt = 0,
    EightBytes = 1,
    Length = 2,
    FourBytes = 5,
}
