using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace EdgeLlm.Speech.Onnx;

/// <summary>Element types of ONNX (TensorProto.DataType) that are read.</summary>
internal enum OnnxType
{
    Float = 1,
    UInt8 = 2,
    Int8 = 3,
    Int32 = 6,
    Int64 = 7,
    Bool = 9,
    Double = 11,
}

/// <summary>A constant of a graph.</summary>
internal sealed class OnnxTensor
{
    private const int MostDimensions = 8;
    private const int MostNumbers = 1 << 20; // of a list that is not raw bytes; large tensors are raw

    private OnnxTensor(string name, OnnxType type, int[] shape, ReadOnlyMemory<byte> data) =>
        (Name, Type, Shape, Data) = (name, type, shape, data);

    public string Name { get; }

    public OnnxType Type { get; }

    /// <summary>Dimensions, outermost first; none: one number.</summary>
    public int[] Shape { get; }

    /// <summary>The numbers, little-endian, row after row; their count is the shape's product.</summary>
    public ReadOnlyMemory<byte> Data { get; }

    /// <summary>Number of elements.</summary>
    public int Count => Data.Length / Size(Type);

    /// <summary>The numbers of a tensor of floats.</summary>
    /// <exception cref="InvalidDataException">It has another type.</exception>
    public float[] Floats()
    {
        Require(OnnxType.Float);
        float[] numbers = new float[Count];
        Data.Span.CopyTo(MemoryMarshal.AsBytes(numbers.AsSpan()));
        return numbers;
    }

    /// <summary>The numbers of a tensor of signed bytes.</summary>
    /// <exception cref="InvalidDataException">It has another type.</exception>
    public ReadOnlySpan<sbyte> SignedBytes()
    {
        Require(OnnxType.Int8);
        return MemoryMarshal.Cast<byte, sbyte>(Data.Span);
    }

    /// <summary>The numbers of a tensor of whole numbers of 32 or 64 bits.</summary>
    /// <exception cref="InvalidDataException">It has another type.</exception>
    public long[] Integers()
    {
        if (Type is not (OnnxType.Int64 or OnnxType.Int32)) Require(OnnxType.Int64);
        long[] numbers = new long[Count];
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = Type == OnnxType.Int64
                ? BinaryPrimitives.ReadInt64LittleEndian(Data.Span[(8 * i)..])
                : BinaryPrimitives.ReadInt32LittleEndian(Data.Span[(4 * i)..]);
        }
        return numbers;
    }

    /// <exception cref="InvalidDataException">It has another shape.</exception>
    public void RequireShape(params ReadOnlySpan<int> shape)
    {
        if (!Shape.AsSpan().SequenceEqual(shape))
            throw OnnxGraph.Error($"'{Name}' has the shape [{string.Join(", ", Shape)}]; expected [{string.Join(", ", shape.ToArray())}]");
    }

    /// <summary>Reads a TensorProto.</summary>
    /// <exception cref="InvalidDataException">It is damaged, its data is in another file, or its type is not one of
    /// <see cref="OnnxType"/>.</exception>
    public static OnnxTensor Read(ReadOnlyMemory<byte> message)
    {
        var reader = new ProtobufReader(message);
        List<long> dimensions = [], numbers = [];
        string name = "";
        int type = 0;
        ReadOnlyMemory<byte> raw = default;
        bool isRaw = false, isExternal = false;
        var list = new MemoryStream(); // float_data and double_data, packed or one by one
        while (reader.Read())
        {
            switch (reader.Field)
            {
                case 1: reader.AddNumbers(dimensions, MostDimensions); break;
                case 2: type = (int)reader.Number; break;
                case 4 or 10: AddFloats(list, reader); break;
                case 5 or 7: reader.AddNumbers(numbers, MostNumbers); break;
                case 8: name = reader.Text; break;
                case 9: (raw, isRaw) = (reader.Bytes, true); break;
                case 14: isExternal = reader.Number == 1; break;
            }
        }
        if (isExternal) throw OnnxGraph.Error($"'{name}' has its data in another file, which is not read");
        if (!Enum.IsDefined((OnnxType)type)) throw OnnxGraph.Error($"'{name}' has an element type (number {type}) that is not read");
        int[] shape = [.. dimensions.Select(dimension => dimension is >= 0 and <= int.MaxValue ? (int)dimension
            : throw OnnxGraph.Error($"'{name}' has a dimension of {dimension}"))];
        ReadOnlyMemory<byte> data = isRaw ? raw : numbers.Count > 0 ? Bytes((OnnxType)type, numbers) : list.ToArray();
        long bytes = Size((OnnxType)type);
        foreach (int dimension in shape)
        {
            bytes *= dimension;
            if (bytes > data.Length) break;
        }
        if (bytes != data.Length)
            throw OnnxGraph.Error($"'{name}' has {data.Length} bytes, not what its shape [{string.Join(", ", shape)}] needs");
        return new OnnxTensor(name, (OnnxType)type, shape, data);
    }

    private static int Size(OnnxType type) =>
        type switch { OnnxType.Float or OnnxType.Int32 => 4, OnnxType.Int64 or OnnxType.Double => 8, _ => 1 };

    private static void AddFloats(MemoryStream list, in ProtobufReader reader)
    {
        if (reader.Kind == ProtobufKind.Length)
        {
            list.Write(reader.Bytes.Span);
            return;
        }
        Span<byte> number = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(number, reader.Bits);
        list.Write(number[..(reader.Kind == ProtobufKind.EightBytes ? 8 : 4)]);
    }

    private static byte[] Bytes(OnnxType type, List<long> numbers)
    {
        int size = Size(type);
        byte[] bytes = new byte[numbers.Count * size];
        Span<byte> number = stackalloc byte[8];
        for (int i = 0; i < numbers.Count; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(number, numbers[i]);
            number[..size].CopyTo(bytes.AsSpan(i * size));
        }
        return bytes;
    }

    private void Require(OnnxType type)
    {
        if (Type != type) throw OnnxGraph.Error($"'{Name}' is of {Type}; expected {type}");
    }
}
