using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace EdgeLlm.Cli.Evaluation;

/// <summary>
/// Writes F32 tensors as a safetensors file: the header's length (8 bytes, little-endian), a JSON header, the numbers. The header comes
/// first, so that the numbers need not be held. See https://github.com/huggingface/safetensors#format.
/// </summary>
internal sealed class SafetensorsWriter
{
    private readonly Stream _file;

    /// <summary>Writes the header.</summary>
    /// <param name="file">Stays open.</param>
    /// <param name="matrices">Name, rows and columns of each tensor, in the order in which their numbers follow.</param>
    public SafetensorsWriter(Stream file, IEnumerable<(string Name, int Rows, int Columns)> matrices)
    {
        _file = file;
        ArrayBufferWriter<byte> header = new();
        using (var json = new Utf8JsonWriter(header))
        {
            long offset = 0;
            json.WriteStartObject();
            foreach ((string name, int rows, int columns) in matrices)
            {
                long end = offset + (long)rows * columns * sizeof(float);
                json.WriteStartObject(name);
                json.WriteString("dtype", "F32");
                WriteArray(json, "shape", rows, columns);
                WriteArray(json, "data_offsets", offset, end);
                json.WriteEndObject();
                offset = end;
            }
            json.WriteEndObject();
        }
        int padding = -header.WrittenCount & 7; // spaces, so that the numbers are aligned to 8 bytes
        header.Write("       "u8[..padding]);
        Span<byte> length = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.WrittenCount);
        _file.Write(length);
        _file.Write(header.WrittenSpan);
    }

    /// <summary>Writes the next numbers, of this tensor or the one after it.</summary>
    public void Write(ReadOnlySpan<float> numbers) =>
        _file.Write(MemoryMarshal.AsBytes(numbers)); // little-endian, as every machine that this runs on

    private static void WriteArray(Utf8JsonWriter json, string name, long first, long second)
    {
        json.WriteStartArray(name);
        json.WriteNumberValue(first);
        json.WriteNumberValue(second);
        json.WriteEndArray();
    }
}
