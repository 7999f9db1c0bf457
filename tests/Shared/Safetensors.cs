using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace EdgeLlm.Tests;

/// <summary>The F32 tensors of a safetensors file: an 8-byte length, a JSON header, the bytes.</summary>
internal static class Safetensors
{
    public static Dictionary<string, (int[] Shape, float[] Values)> Read(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        int headerLength = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        using JsonDocument header = JsonDocument.Parse(bytes.AsMemory(8, headerLength));
        var tensors = new Dictionary<string, (int[], float[])>();
        foreach (JsonProperty property in header.RootElement.EnumerateObject())
        {
            if (property.Name == "__metadata__") continue;
            Assert.Equal("F32", property.Value.GetProperty("dtype").GetString());
            int[] shape = [.. property.Value.GetProperty("shape").EnumerateArray().Select(size => size.GetInt32())];
            JsonElement offsets = property.Value.GetProperty("data_offsets");
            int start = 8 + headerLength + offsets[0].GetInt32(), end = 8 + headerLength + offsets[1].GetInt32();
            tensors[property.Name] = (shape, MemoryMarshal.Cast<byte, float>(bytes.AsSpan(start, end - start)).ToArray());
        }
        return tensors;
    }
}
