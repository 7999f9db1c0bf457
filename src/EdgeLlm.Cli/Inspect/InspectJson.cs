using System.Text.Json;
using EdgeLlm.Cli.Output;
using EdgeLlm.Files;
using EdgeLlm.Gguf;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Inspect;

/// <summary>All that `inspect` knows, for programs. Sizes are bytes.</summary>
internal static class InspectJson
{
    public static void Write(GgufFile file, ModelPlan plan) => JsonOutput.Write(json =>
    {
        IReadOnlyList<TypeShare> types = TypeShare.Of(file);
        json.WriteStartObject();
        json.WriteString("path", file.Path);
        json.WriteStartArray("files");
        foreach (MappedFile map in file.Maps) json.WriteStringValue(map.Path);
        json.WriteEndArray();
        if (file.IsFolder) json.WriteNull("gguf_version");
        else json.WriteNumber("gguf_version", file.Version);
        json.WriteNumber("size", file.FileSize);
        json.WriteNumber("parameters", types.Sum(share => share.Parameters));
        json.WriteString("quantization", Quantization.Of(file));
        json.WriteStartObject("licence");
        WriteKeys(json, file.Metadata, file.Metadata.Keys.Where(key => key.StartsWith("general.license", StringComparison.Ordinal)));
        json.WriteEndObject();
        json.WriteStartObject("origin");
        WriteKeys(json, file.Metadata, OriginKeys.In(file.Metadata));
        json.WriteEndObject();
        WritePlan(json, plan);
        json.WriteArray("notes", plan.Notes, json.WriteStringValue);
        json.WriteObjects("types", types, share =>
        {
            json.WriteString("type", share.Type);
            json.WriteNumber("tensors", share.Tensors);
            json.WriteNumber("parameters", share.Parameters);
            json.WriteNumber("size", share.Bytes);
        });
        json.WriteStartObject("metadata");
        WriteKeys(json, file.Metadata, file.Metadata.Keys);
        json.WriteEndObject();
        WriteTensors(json, file);
        json.WriteEndObject();
    });

    /// <summary>The metadata without arrays and long texts (a vocabulary, a chat template).</summary>
    public static Dictionary<string, JsonElement> ShortMetadata(GgufFile file)
    {
        const int MostLetters = 1000;
        using var json = new MemoryStream();
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            WriteKeys(writer, file.Metadata, file.Metadata.Keys.Where(key =>
                file.Metadata.TryGet(key, out GgufValue? value) && value.Type != GgufValueType.Array
                    && !(value.TryGetString(out string? text) && text.Length > MostLetters)));
            writer.WriteEndObject();
        }
        using JsonDocument document = JsonDocument.Parse(json.ToArray());
        return document.RootElement.EnumerateObject().ToDictionary(entry => entry.Name, entry => entry.Value.Clone());
    }

    private static void WritePlan(Utf8JsonWriter json, ModelPlan plan)
    {
        if (plan.Memory is not { } memory)
        {
            json.WriteNull("memory_plan");
            json.WriteString("memory_plan_problem", plan.Problem);
            return;
        }
        long total = MachineMemory.Total, available = MachineMemory.Available;
        json.WriteStartObject("memory_plan");
        json.WriteNumber("context", memory.ContextLength);
        json.WriteNumber("weights", memory.Weights);
        json.WriteNumber("on_disk", memory.OnDisk);
        json.WriteNumber("cache", memory.Cache);
        json.WriteNumber("working", memory.Working);
        json.WriteNumber("total", memory.Total);
        json.WriteNumber("machine_total", total);
        json.WriteNumber("machine_available", available);
        json.WriteString("refusal", memory.Refusal(total, available));
        json.WriteEndObject();
    }

    private static void WriteTensors(Utf8JsonWriter json, GgufFile file)
    {
        json.WriteObjects("tensors", file.Tensors, tensor =>
        {
            json.WriteString("name", tensor.Name);
            json.WriteString("type", tensor.TypeName);
            json.WriteArray("shape", tensor.MatrixShape, json.WriteNumberValue);
            json.WriteNumber("size", tensor.ByteCount);
            json.WriteNumber("offset", tensor.Offset);
            json.WriteNumber("file", tensor.FileIndex);
        });
    }

    private static void WriteKeys(Utf8JsonWriter json, GgufMetadata data, IEnumerable<string> keys)
    {
        foreach (string key in keys)
        {
            if (!data.TryGet(key, out GgufValue? value)) continue;
            json.WritePropertyName(key);
            WriteValue(json, value);
        }
    }

    private static void WriteValue(Utf8JsonWriter json, GgufValue value)
    {
        if (value.TryGetString(out string? text)) json.WriteStringValue(text);
        else if (value.TryGetBool(out bool flag)) json.WriteBooleanValue(flag);
        else if (value.Type != GgufValueType.Array) WriteNumber(json, value.ToString());
        else
        {
            json.WriteStartArray();
            WriteItems(json, value);
            json.WriteEndArray();
        }
    }

    private static void WriteItems(Utf8JsonWriter json, GgufValue array)
    {
        if (array.TryGetStringArray(out GgufStringArray? texts))
        {
            for (int item = 0; item < texts.Count; item++) json.WriteStringValue(texts[item]);
        }
        else if (array.ItemType == GgufValueType.Bool)
        {
            foreach (byte flag in array.Bytes) json.WriteBooleanValue(flag != 0);
        }
        else if (array.ItemType == GgufValueType.Float32 && array.TryGetArray(out float[]? singles))
        {
            foreach (float number in singles) WriteNumber(json, Quantity.Text($"{number}"));
        }
        else if (array.ItemType == GgufValueType.Float64 && array.TryGetArray(out double[]? doubles))
        {
            foreach (double number in doubles) WriteNumber(json, Quantity.Text($"{number}"));
        }
        else if (array.ItemType == GgufValueType.UInt64 && array.TryGetArray(out ulong[]? large))
        {
            foreach (ulong number in large) json.WriteNumberValue(number);
        }
        else if (array.TryGetArray(out long[]? integers))
        {
            foreach (long number in integers) json.WriteNumberValue(number);
        }
    }

    /// <summary>A number as its text has it; JSON has no infinity and no NaN, which stay text.</summary>
    private static void WriteNumber(Utf8JsonWriter json, string number)
    {
        if (char.IsAsciiDigit(number[^1])) json.WriteRawValue(number);
        else json.WriteStringValue(number);
    }
}
