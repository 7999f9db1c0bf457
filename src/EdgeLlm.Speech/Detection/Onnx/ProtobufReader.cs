using System.Buffers.Binary;
using System.Text;

namespace EdgeLlm.Speech.Detection.Onnx;

/// <summary>The fields of a message of Protocol Buffers (protobuf.dev/programming-guides/encoding), one after the other. Nothing is read beyond the message.</summary>
internal struct ProtobufReader(ReadOnlyMemory<byte> message)
{
    private const int Varint = 0, Fixed64 = 1, LengthDelimited = 2, Fixed32 = 5;

    private ReadOnlyMemory<byte> rest = message, bytes;
    private ulong number;
    private int wireType;

    /// <summary>Number of the field at hand.</summary>
    public int Field { get; private set; }

    /// <summary>The field's integer.</summary>
    /// <exception cref="InvalidDataException">The field is not one.</exception>
    public readonly long Number => wireType == Varint ? (long)number : throw Wrong();

    /// <summary>The field's 32-bit float.</summary>
    /// <exception cref="InvalidDataException">The field is not one.</exception>
    public readonly float Float => wireType == Fixed32 ? BitConverter.UInt32BitsToSingle((uint)number) : throw Wrong();

    /// <summary>The field's bytes: a message, a text, numbers side by side.</summary>
    /// <exception cref="InvalidDataException">The field has none.</exception>
    public readonly ReadOnlyMemory<byte> Bytes => wireType == LengthDelimited ? bytes : throw Wrong();

    /// <summary>The field's text.</summary>
    /// <exception cref="InvalidDataException">The field is not one.</exception>
    public readonly string Text => Encoding.UTF8.GetString(Bytes.Span);

    /// <summary>Reads the next field. False at the end of the message.</summary>
    /// <exception cref="InvalidDataException">The message is damaged.</exception>
    public bool Read()
    {
        if (rest.IsEmpty) return false;
        ulong key = ReadVarint();
        (Field, wireType) = ((int)Math.Min(key >> 3, int.MaxValue), (int)(key & 7));
        switch (wireType)
        {
            case Varint:
                number = ReadVarint();
                break;
            case Fixed64:
                number = BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong)).Span);
                break;
            case LengthDelimited:
                bytes = Take(ReadVarint());
                break;
            case Fixed32:
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
        if (wireType == Varint) numbers.Add(Number);
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
