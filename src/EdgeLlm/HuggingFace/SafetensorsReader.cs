using System.Buffers.Binary;
using System.Text;
using EdgeLlm.Gguf;

namespace EdgeLlm.HuggingFace;

/// <summary>
/// Reads where tensors are in a safetensors file: the length of a JSON header (8 bytes), the header, the tensors' bytes. The header is held
/// to the format's rules: the tensors fill what follows it without gaps and without overlap. Format:
/// https://github.com/huggingface/safetensors.
/// </summary>
internal static class SafetensorsReader
{
    private const int MostHeaderBytes = 16 << 20; // some 100 thousand tensors
    private const int LengthBytes = sizeof(ulong);

    /// <exception cref="ModelException">It is not a safetensors file, or a damaged one.</exception>
    public static List<StoredTensor> Read(MappedFile map)
    {
        if (map.Length < LengthBytes) throw new ModelException(map.Path, $"is no safetensors file: it has {map.Length} bytes");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(map.Span(0, LengthBytes));
        if (length > (ulong)map.Length - LengthBytes)
            throw new ModelException(map.Path,
                $"is no safetensors file or cut short: its header should have {length} bytes, and the file has {map.Length}");
        if (length > MostHeaderBytes)
            throw new ModelException(map.Path, $"has a header of {length} bytes, more than the {MostHeaderBytes} that are read");
        JsonPart header = JsonPart.Parse(map.Path, map.Head.Slice(LengthBytes, (int)length), "header");

        long dataStart = LengthBytes + (long)length;
        var tensors = new List<StoredTensor>();
        foreach ((string name, JsonPart entry) in header.Fields())
        {
            if (name == "__metadata__") continue;
            if (GgufRules.NameProblem(Encoding.UTF8.GetBytes(name)) is { } problem) throw entry.Error($"has a name that {problem}");
            if (tensors.Count == GgufRules.MaximumTensors)
                throw new ModelException(map.Path, $"has more than {GgufRules.MaximumTensors} tensors");
            tensors.Add(ReadTensor(name, entry, dataStart, map.Length - dataStart));
        }
        RequireWholeFile(map, tensors, dataStart);
        return tensors;
    }

    private static StoredTensor ReadTensor(string name, JsonPart entry, long dataStart, long data)
    {
        string kind = entry.Require("dtype").Text();
        int size = StoredTensor.SizeOf(kind);
        if (size == 0) throw entry.Error($"has the dtype '{FolderFile.Printable(kind)}', which is not known here");
        var shape = new List<long>();
        long bytes = size;
        foreach (JsonPart item in entry.Require("shape").Items())
        {
            long dimension = item.Integer(0, long.MaxValue);
            if (shape.Count == 8) throw entry.Error("has more than 8 dimensions");
            if (dimension > 0 && bytes > long.MaxValue / dimension) throw entry.Error("has a shape of more than 2^63 bytes");
            shape.Add(dimension);
            bytes *= dimension;
        }
        JsonPart[] offsets = [.. entry.Require("data_offsets").Items().Take(3)];
        if (offsets.Length != 2) throw entry.Error("has data_offsets that are not a start and an end");
        long start = offsets[0].Integer(0, long.MaxValue), end = offsets[1].Integer(0, long.MaxValue);
        if (start > end || end > data)
            throw entry.Error($"should lie at {start} to {end} of the data, and that has {data} bytes: the file is cut short or damaged");
        if (end - start != bytes)
            throw entry.Error($"has {end - start} bytes, but {kind} of the shape [{string.Join(", ", shape)}] takes {bytes}");
        return new StoredTensor(name, kind, [.. shape], dataStart + start, bytes);
    }

    private static void RequireWholeFile(MappedFile map, List<StoredTensor> tensors, long end)
    {
        foreach (StoredTensor tensor in tensors.OrderBy(tensor => tensor.Offset).ThenBy(tensor => tensor.ByteCount))
        {
            if (tensor.Offset != end)
                throw new ModelException(map.Path,
                    $"tensor {FolderFile.Printable(tensor.Name)} {(tensor.Offset < end ? "overlaps another one" : "has a gap before it")}");
            end += tensor.ByteCount;
        }
        if (end != map.Length) throw new ModelException(map.Path, $"has {map.Length - end} bytes behind its last tensor");
    }
}
