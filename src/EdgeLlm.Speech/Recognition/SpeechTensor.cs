using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Speech.Recognition;

/// <summary>A tensor of a speech model: its name in GGUF, in a folder and (of Whisper) in a ggml file, and its shape.</summary>
/// <param name="Shape">Outer dimension first.</param>
/// <param name="Ggml">whisper.cpp's name; empty: there is none.</param>
internal sealed record SpeechTensor(string Name, string Folder, string Ggml, long[] Shape)
{
    /// <summary>Vectors become F32.</summary>
    public bool IsVector => Shape.Length <= 1;

    /// <summary>Whether it may be absent.</summary>
    public bool IsOptional { get; init; }

    /// <summary>Number added to each of its numbers.</summary>
    public float Offset { get; init; }

    public long Count => Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>A layer's tensors with and without biases, under the names of each format.</summary>
    public static IEnumerable<SpeechTensor> Linear(string name, string folder, string ggml, int rows, int columns, bool? hasBias = true)
    {
        yield return new SpeechTensor(name + ".weight", folder + ".weight", ggml + ".weight", [rows, columns]);
        if (hasBias != false)
            yield return new SpeechTensor(name + ".bias", folder + ".bias", ggml + ".bias", [rows]) { IsOptional = hasBias is null };
    }

    /// <summary>The view of a folder's tensor: matrices where they are, vectors as floats.</summary>
    /// <param name="file">Number of its file.</param>
    /// <exception cref="ModelException">Its type or shape is another.</exception>
    public GgufTensor View(FolderTensor source, int file)
    {
        ElementType type = source.Type ?? throw source.Error($"is {source.Stored.Kind}; weights are read as F32, F16 and BF16");
        if (!source.Shape.AsSpan().SequenceEqual(Shape))
            throw source.Error(
                $"has the shape [{string.Join(", ", source.Shape)}]; by config.json it should have [{string.Join(", ", Shape)}]");
        float[]? converted = null;
        if (IsVector && (type != ElementType.F32 || Offset != 0))
        {
            converted = GC.AllocateArray<float>((int)Count, pinned: true);
            Dequantizer.ToFloat(type, source.Bytes(0, (int)source.ByteCount), converted);
            for (int i = 0; i < converted.Length && Offset != 0; i++) converted[i] += Offset;
        }
        long[] shape = Shape.Length == 0 ? [1] : [.. Shape.Reverse()];
        return new GgufTensor(Name, shape, converted is null ? type : ElementType.F32, source.Stored.Offset,
            converted is null ? source.ByteCount : converted.Length * (long)sizeof(float), file)
        {
            Converted = converted,
        };
    }
}
