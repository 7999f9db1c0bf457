using System.Buffers.Binary;
using System.Text;

namespace EdgeLlm.Speech.Onnx;

/// <summary>
/// Fields of one message of Protocol Buffers' wire format, one after the other. A length that exceeds the message and a field of an unknown kind are
/// <see cref="InvalidDataException"/>s.
/// </summary>
internal struct ProtobufReader(ReadOnlyMemory<byte> message)
{
    private int _position;

    /// <summary>Number of the field at hand.</summary>
    public int Field { get; private set; }

    /// <summary>How the field at hand is stored.</summary>
    public ProtobufKind Kind { get; private set; }

    /// <summary>A field's number, if it is stored as one (VarInt, 4 or 8 bytes).</summary>
    public ulong Number { get; private set; }

    /// <summary>The bytes of the field at hand, if it has a length: a text, a message or packed numbers.</summary>
    public ReadOnlyMemory<byte> Bytes { get; private set; }

    /// <summary>The bytes as text.</summary>
    public readonly string Text => Encoding.UTF8.GetString(Bytes.Span);

    /// <summary>Goes to the next field; false at the message's end.</summary>
    public bool Read()
    {
        if (_position == message.Length) return false;
        ulong tag = ReadVarInt(message.Span, ref _position);
        (Field, Kind) = ((int)Math.Min(tag >> 3, int.MaxValue), (ProtobufKind)(tag & 7));
        ReadOnlySpan<byte> rest = message.Span[_position..];
        switch (Kind)
        {
            case ProtobufKind.VarInt:
                Number = ReadVarInt(message.Span, ref _position);
                break;
            case ProtobufKind.EightBytes when rest.Length >= 8:
                Number = BinaryPrimitives.ReadUInt64LittleEndian(rest);
                _position += 8;
                break;
            case ProtobufKind.FourBytes when rest.Length >= 4:
                Number = BinaryPrimitives.ReadUInt32LittleEndian(rest);
                _position += 4;
                break;
            case ProtobufKind.Length:
                ulong length = ReadVarInt(message.Span, ref _position);
                if (length > (ulong)(message.Length - _position)) throw new InvalidDataException("is cut off, or a field's length is wrong");
                Bytes = message.Slice(_position, (int)length);
                _position += (int)length;
                break;
            default:
                throw new InvalidDataException("is cut off, or has a field of an unknown kind");
        }
        return true;
    }

    /// <summary>Adds a repeated field of whole numbers: one, or packed ones.</summary>
    public readonly void AddNumbers(List<long> numbers, int most)
    {
        if (Kind == ProtobufKind.VarInt)
        {
            Require(numbers.Count < most);
            numbers.Add((long)Number);
            return;
        }
        if (Kind != ProtobufKind.Length) throw new InvalidDataException("has a number of an unknown kind");
        for (int position = 0; position < Bytes.Length;)
        {
            Require(numbers.Count < most);
            numbers.Add((long)ReadVarInt(Bytes.Span, ref position));
        }
    }

    private static void Require(bool hasRoom)
    {
        if (!hasRoom) throw new InvalidDataException("has a list that is too long");
    }

    private static ulong ReadVarInt(ReadOnlySpan<byte> bytes, ref int position)
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            if (position == bytes.Length) throw new InvalidDataException("is cut off");
            byte part = bytes[position++];
            value |= (ulong)(part & 127) << shift;
            if (part < 128) return value;
        }
        throw new InvalidDataException("has a number of more than 64 bits");
    }
}

/// <summary>Wire types of Protocol Buffers.</summary>
internal enum ProtobufKind
{
    VarInt = 0,
    EightBytes = 1,
    Length = 2,
    FourBytes = 5,
}
