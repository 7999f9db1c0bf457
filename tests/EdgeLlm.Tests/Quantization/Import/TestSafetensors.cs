using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;

namespace EdgeLlm.Tests.Quantization.Import;

/// <summary>A safetensors file taken apart, to be changed and written again.</summary>
internal sealed class TestSafetensors
{
    private readonly string _path;

    public TestSafetensors(string path)
    {
        _path = path;
        byte[] bytes = File.ReadAllBytes(path);
        int length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        Header = JsonNode.Parse(bytes.AsSpan(8, length))!.AsObject();
        Data = bytes[(8 + length)..];
    }

    public JsonObject Header { get; }

    public byte[] Data { get; set; }

    /// <summary>Where a tensor lies in <see cref="Data"/>.</summary>
    public int StartOf(string tensor) => Header[tensor]!["data_offsets"]![0]!.GetValue<int>();

    public void Save() => Write(_path, Encoding.UTF8.GetBytes(Header.ToJsonString()), Data);

    /// <param name="length">What the file says of the header's length; null: the truth.</param>
    public static void Write(string path, byte[] header, byte[] data, ulong? length = null)
    {
        byte[] prefix = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, length ?? (ulong)header.Length);
        File.WriteAllBytes(path, [.. prefix, .. header, .. data]);
    }
}
