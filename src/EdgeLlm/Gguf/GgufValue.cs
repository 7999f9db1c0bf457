using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;

namespace EdgeLlm.Gguf;

/// <summary>
/// A metadata value: its type and its bytes as they are in the file, decoded when asked for. A value that was read from a
/// file is usable until the file is disposed.
/// </summary>
public sealed partial class GgufValue
{
    private const int ArrayHeaderBytes = sizeof(uint) + sizeof(ulong); // items' type and number

    /// <param name="type">The value's type.</param>
    /// <param name="encoded">The value as a file holds it after its type, checked by the reader or made by the writer.</param>
    /// <param name="offset">Position in its file; null of a value that was not read.</param>
    internal GgufValue(GgufValueType type, ReadOnlyMemory<byte> encoded, long? offset)
    {
        Type = type;
        Encoded = encoded;
        Offset = offset;
    }

    /// <summary>The value's type.</summary>
    public GgufValueType Type { get; }

    /// <summary>The type of an array's items; null of any other value.</summary>
    public GgufValueType? ItemType =>
        Type == GgufValueType.Array ? (GgufValueType)BinaryPrimitives.ReadUInt32LittleEndian(Encoded.Span) : null;

    /// <summary>The number of an array's items; 1 of any other value.</summary>
    public int Count => Type == GgufValueType.Array ? (int)BinaryPrimitives.ReadUInt64LittleEndian(Encoded.Span[sizeof(uint)..]) : 1;

    /// <summary>The bytes, little-endian: of a number; of a string's UTF-8; of an array's items, one after the other.</summary>
    public ReadOnlySpan<byte> Bytes => Encoded.Span[PayloadStart..];

    internal ReadOnlyMemory<byte> Encoded { get; }

    internal long? Offset { get; }

    private int PayloadStart => Type switch
    {
        GgufValueType.Array => ArrayHeaderBytes,
        GgufValueType.String => sizeof(ulong),
        _ => 0,
    };

    /// <summary>The text of a string; bytes that are not UTF-8 become U+FFFD. False of any other type.</summary>
    public bool TryGetString([NotNullWhen(true)] out string? text)
    {
        text = Type == GgufValueType.String ? Encoding.UTF8.GetString(Bytes) : null;
        return text is not null;
    }

    /// <summary>A bool. False of any other type.</summary>
    public bool TryGetBool(out bool value)
    {
        value = Type == GgufValueType.Bool && Bytes[0] != 0;
        return Type == GgufValueType.Bool;
    }

    /// <summary>An integer of any width, where <typeparamref name="T"/> can hold it. False of any other type.</summary>
    public bool TryGetInteger<T>(out T value) where T : struct, IBinaryInteger<T>
    {
        value = T.Zero;
        if (Type is GgufValueType.Float32 or GgufValueType.Float64 or GgufValueType.Bool || GgufRules.SizeOf(Type) == 0) return false;
        Int128 integer = ReadInteger(Type, Bytes);
        value = T.CreateTruncating(integer);
        return Int128.CreateTruncating(value) == integer;
    }

    /// <summary>A float of either width, or an integer, as a float. False of any other type.</summary>
    public bool TryGetFloat(out double value)
    {
        bool isNumber = Type != GgufValueType.Bool && GgufRules.SizeOf(Type) != 0;
        value = isNumber ? ReadNumber(Type, Bytes) : 0;
        return isNumber;
    }

    /// <summary>
    /// A copy of an array of numbers, converted where its items have another type: integers to integers that can hold them
    /// (bools count as 0 and 1), any number to a float. False of any other value, or where an item does not fit.
    /// </summary>
    public bool TryGetArray<T>([NotNullWhen(true)] out T[]? items) where T : unmanaged, INumber<T>
    {
        items = null;
        if (ItemType is not { } type || GgufRules.SizeOf(type) is not (> 0 and var size)) return false;
        ReadOnlySpan<byte> bytes = Bytes;
        if (TypeOf<T>() == type)
        {
            items = MemoryMarshal.Cast<byte, T>(bytes).ToArray();
            return true;
        }
        bool toFloat = TypeOf<T>() is GgufValueType.Float32 or GgufValueType.Float64;
        if (!toFloat && type is GgufValueType.Float32 or GgufValueType.Float64) return false;
        var converted = new T[Count];
        for (int index = 0; index < converted.Length; index++, bytes = bytes[size..])
        {
            if (toFloat) converted[index] = T.CreateTruncating(ReadNumber(type, bytes));
            else
            {
                Int128 integer = ReadInteger(type, bytes);
                converted[index] = T.CreateTruncating(integer);
                if (Int128.CreateTruncating(converted[index]) != integer) return false;
            }
        }
        items = converted;
        return true;
    }

    /// <summary>An array of strings, left where it is. False of any other value.</summary>
    public bool TryGetStringArray([NotNullWhen(true)] out GgufStringArray? items)
    {
        items = ItemType == GgufValueType.String ? new GgufStringArray(Encoded[PayloadStart..], Count) : null;
        return items is not null;
    }

    /// <summary>A number, bool or string as text; of an array its type and length, such as `String[49152]`.</summary>
    public override string ToString() => Type switch
    {
        GgufValueType.String => Encoding.UTF8.GetString(Bytes),
        GgufValueType.Array => $"{ItemType}[{Count}]",
        GgufValueType.Bool => Bytes[0] != 0 ? "true" : "false",
        GgufValueType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(Bytes).ToString(CultureInfo.InvariantCulture),
        GgufValueType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(Bytes).ToString(CultureInfo.InvariantCulture),
        _ => ReadInteger(Type, Bytes).ToString(CultureInfo.InvariantCulture),
    };

    /// <summary>Description in error messages: `Int8 -100`, `String`, `array of Int32`; never text out of a file.</summary>
    internal string Description =>
        Type == GgufValueType.Array ? $"array of {ItemType}" : Type == GgufValueType.String ? "String" : $"{Type} {this}";

    private static Int128 ReadInteger(GgufValueType type, ReadOnlySpan<byte> bytes) => type switch
    {
        GgufValueType.UInt8 or GgufValueType.Bool => bytes[0],
        GgufValueType.Int8 => (sbyte)bytes[0],
        GgufValueType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
        GgufValueType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(bytes),
        GgufValueType.UInt32 => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
        GgufValueType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(bytes),
        GgufValueType.UInt64 => BinaryPrimitives.ReadUInt64LittleEndian(bytes),
        _ => BinaryPrimitives.ReadInt64LittleEndian(bytes),
    };

    private static double ReadNumber(GgufValueType type, ReadOnlySpan<byte> bytes) => type switch
    {
        GgufValueType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(bytes),
        GgufValueType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(bytes),
        _ => (double)ReadInteger(type, bytes),
    };
}
