using System.Text;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Tests.Gguf;

/// <summary>A GGUF file put together field by field, so that it can be wrong.</summary>
internal sealed class GgufBytes
{
    private readonly MemoryStream _bytes = new();
    private readonly BinaryWriter _writer;

    public GgufBytes(ulong tensors, ulong keys, uint version = 3)
    {
        _writer = new BinaryWriter(_bytes);
        Raw("GGUF"u8).UInt32(version).UInt64(tensors).UInt64(keys);
    }

    /// <summary>Where the next field goes.</summary>
    public long Position => _bytes.Position;

    public GgufBytes Raw(ReadOnlySpan<byte> bytes)
    {
        _writer.Write(bytes);
        return this;
    }

    public GgufBytes UInt8(byte value) => Raw([value]);

    public GgufBytes UInt32(uint value)
    {
        _writer.Write(value);
        return this;
    }

    public GgufBytes UInt64(ulong value)
    {
        _writer.Write(value);
        return this;
    }

    public GgufBytes Text(string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        return UInt64((ulong)utf8.Length).Raw(utf8);
    }

    public GgufBytes Key(string key, GgufValueType type) => Text(key).UInt32((uint)type);

    public GgufBytes Tensor(string name, ulong[] shape, ElementType type = ElementType.F32, ulong offset = 0)
    {
        Text(name).UInt32((uint)shape.Length);
        foreach (ulong dimension in shape) UInt64(dimension);
        return UInt32((uint)type).UInt64(offset);
    }

    /// <summary>Zeros up to a multiple of 32, then as many as asked for.</summary>
    public GgufBytes Data(int count) => Raw(new byte[(32 - Position % 32) % 32 + count]);

    public byte[] ToArray() => _bytes.ToArray();
}
