using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using EdgeLlm.Files;

namespace EdgeLlm.Speech.Synthesis;

/// <summary>Every stage of a sentence, to compare with a reference: rows of numbers under the stage's name.</summary>
internal sealed unsafe class StageRecorder
{
    private readonly OrderedDictionary<string, (List<float> Numbers, int[] Row)> _stages = [];

    /// <summary>The numbers of a stage, row after row.</summary>
    public float[] this[string stage] => _stages.TryGetValue(stage, out (List<float> Numbers, int[] Row) found) ? [.. found.Numbers] : [];

    public void Add(string stage, float* rows, int count, int width) => Add(stage, new ReadOnlySpan<float>(rows, count * width), width);

    public void Add(string stage, ReadOnlySpan<float> rows, int width) => Of(stage, width == 1 ? [] : [width]).AddRange(rows);

    /// <summary>A row of complex numbers.</summary>
    public void AddPairs(string stage, ReadOnlySpan<float> real, ReadOnlySpan<float> imaginary)
    {
        List<float> numbers = Of(stage, [real.Length, 2]);
        for (int i = 0; i < real.Length; i++)
        {
            numbers.Add(real[i]);
            numbers.Add(imaginary[i]);
        }
    }

    /// <summary>Writes all stages as a safetensors file (https://github.com/huggingface/safetensors).</summary>
    /// <exception cref="FileException">It can't be written.</exception>
    public void Save(string path) => AtomicFile.Write(path, Write);

    private List<float> Of(string stage, int[] row)
    {
        if (!_stages.TryGetValue(stage, out (List<float> Numbers, int[] Row) found)) _stages.Add(stage, found = ([], row));
        return found.Numbers;
    }

    private void Write(FileStream output)
    {
        var header = new MemoryStream();
        using (var writer = new Utf8JsonWriter(header))
        {
            long offset = 0;
            writer.WriteStartObject();
            foreach ((string name, (List<float> numbers, int[] row)) in _stages)
            {
                writer.WriteStartObject(name);
                writer.WriteString("dtype", "F32");
                writer.WriteStartArray("shape");
                writer.WriteNumberValue(numbers.Count / row.Aggregate(1, static (product, dimension) => product * dimension));
                foreach (int dimension in row) writer.WriteNumberValue(dimension);
                writer.WriteEndArray();
                writer.WriteStartArray("data_offsets");
                writer.WriteNumberValue(offset);
                writer.WriteNumberValue(offset += numbers.Count * sizeof(float));
                writer.WriteEndArray();
                writer.WriteEndObject();
            }
            writer.WriteEndObject();
        }
        header.Write(Encoding.ASCII.GetBytes(new string(' ', (int)(-header.Length & 7))));
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        output.Write(length);
        header.WriteTo(output);
        foreach ((List<float> numbers, _) in _stages.Values) output.Write(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(numbers)));
    }
}
