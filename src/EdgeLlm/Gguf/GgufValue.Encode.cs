using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace EdgeLlm.Gguf;

// Values to write, encoded at once as the file will hold them.
public sealed partial class GgufValue
{
    /// <summary>A number or bool: any of C#'s types that <see cref="GgufValueType"/> names.</summary>
    /// <exception cref="ArgumentException">The format has no such type.</exception>
    public static GgufValue Of<T>(T value) where T : unmanaged =>
        new(TypeOf<T>() ?? throw NoSuchType<T>(), MemoryMarshal.AsBytes([value]).ToArray(), offset: null);

    /// <summary>A string.</summary>
    public static GgufValue Of(string text)
    {
        byte[] encoded = new byte[sizeof(ulong) + Encoding.UTF8.GetByteCount(text)];
        PutString(encoded, text);
        return new GgufValue(GgufValueType.String, encoded, offset: null);
    }

    /// <summary>An array of numbers or bools.</summary>
    /// <exception cref="ArgumentException">The format has no such type.</exception>
    public static GgufValue OfArray<T>(ReadOnlySpan<T> items) where T : unmanaged
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(items);
        byte[] encoded = NewArray(TypeOf<T>() ?? throw NoSuchType<T>(), items.Length, bytes.Length);
        bytes.CopyTo(encoded.AsSpan(ArrayHeaderBytes));
        return new GgufValue(GgufValueType.Array, encoded, offset: null);
    }

    /// <summary>An array of strings.</summary>
    public static GgufValue OfArray(IReadOnlyList<string> items)
    {
        int byteCount = 0;
        foreach (string item in items) byteCount = checked(byteCount + sizeof(ulong) + Encoding.UTF8.GetByteCount(item));
        byte[] encoded = NewArray(GgufValueType.String, items.Count, byteCount);
        Span<byte> rest = encoded.AsSpan(ArrayHeaderBytes);
        foreach (string item in items) rest = rest[PutString(rest, item)..];
        return new GgufValue(GgufValueType.Array, encoded, offset: null);
    }

    private static byte[] NewArray(GgufValueType itemType, int count, int byteCount)
    {
        byte[] encoded = new byte[checked(ArrayHeaderBytes + byteCount)];
        BinaryPrimitives.WriteUInt32LittleEndian(encoded, (uint)itemType);
        BinaryPrimitives.WriteUInt64LittleEndian(encoded.AsSpan(sizeof(uint)), (ulong)count);
        return encoded;
    }

    private static int PutString(Span<byte> destination, string text)
    {
        int length = Encoding.UTF8.GetBytes(text, destination[sizeof(ulong)..]);
        BinaryPrimitives.WriteUInt64LittleEndian(destination, (ulong)length);
        return sizeof(ulong) + length;
    }

    private static ArgumentException NoSuchType<T>() => new($"a GGUF file has no values of type {typeof(T).Name}");

    private static GgufValueType? TypeOf<T>() where T : unmanaged =>
        typeof(T) == typeof(byte) ? GgufValueType.UInt8
        : typeof(T) == typeof(sbyte) ? GgufValueType.Int8
        : typeof(T) == typeof(ushort) ? GgufValueType.UInt16
        : typeof(T) == typeof(short) ? GgufValueType.Int16
        : typeof(T) == typeof(uint) ? GgufValueType.UInt32
        : typeof(T) == typeof(int) ? GgufValueType.Int32
        : typeof(T) == typeof(float) ? GgufValueType.Float32
        : typeof(T) == typeof(bool) ? GgufValueType.Bool
        : typeof(T) == typeof(ulong) ? GgufValueType.UInt64
        : typeof(T) == typeof(long) ? GgufValueType.Int64
        : typeof(T) == typeof(double) ? GgufValueType.Float64
        : null;
}
