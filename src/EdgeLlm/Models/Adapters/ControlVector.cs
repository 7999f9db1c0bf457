using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Models.Adapters;

/// <summary>
/// Directions that are added to the residual stream, one a layer: a GGUF file with general.architecture `controlvector` and tensors
/// direction.1, direction.2, ... F32 [width]. Number n is added to the result of layer n, counted from 0: the first layer has none, as in
/// llama.cpp (src/llama-adapter.cpp).
/// </summary>
public sealed class ControlVector
{
    /// <summary>GGUF's general.architecture of such files.</summary>
    public const string Architecture = "controlvector";

    private const string Tensor = "direction.";
    private const int MostLayers = 4096;

    private readonly float[]?[] _directions;

    /// <param name="name">What it is called.</param>
    /// <param name="directions">Of each layer, from 0 on; null: nothing is added there. All are as long, and at least one is there.</param>
    /// <exception cref="ArgumentException">There are none, they are of different lengths, or one is not finite.</exception>
    public ControlVector(string name, IReadOnlyList<float[]?> directions)
    {
        Name = name;
        _directions = [.. directions];
        float[] first = _directions.OfType<float[]>().FirstOrDefault()
            ?? throw new ArgumentException("there are no directions", nameof(directions));
        Width = first.Length;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (float[]? direction in _directions)
        {
            if (direction is not null && (direction.Length != Width || !Array.TrueForAll(direction, float.IsFinite)))
                throw new ArgumentException("directions have to be as long as each other, and finite", nameof(directions));
            hash.AppendData(BitConverter.GetBytes(direction?.Length ?? 0));
            if (direction is not null) hash.AppendData(MemoryMarshal.AsBytes(direction.AsSpan()));
        }
        Identity = hash.GetHashAndReset();
    }

    /// <summary>Name: the file's.</summary>
    public string Name { get; }

    /// <summary>Numbers of a direction: the width of the model's residual stream.</summary>
    public int Width { get; }

    /// <summary>Layers that a model has to have at least.</summary>
    public int Layers => _directions.Length;

    /// <summary>SHA-256 of its numbers [32].</summary>
    public ReadOnlyMemory<byte> Identity { get; }

    /// <summary>Opens a file.</summary>
    /// <exception cref="ModelException">It is not such a file; the message names the key or tensor.</exception>
    /// <exception cref="GgufException">It is damaged or no GGUF file.</exception>
    public static ControlVector Open(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        string? architecture = file.Metadata.GetString("general.architecture", null);
        if (architecture != Architecture)
            throw new ModelException(path,
                $"is not a control vector: general.architecture is '{FolderFile.Printable(architecture ?? "")}'");
        var directions = new List<float[]?>();
        foreach (GgufTensor tensor in file.Tensors)
        {
            if (!tensor.Name.StartsWith(Tensor, StringComparison.Ordinal)
                || !int.TryParse(tensor.Name[Tensor.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out int layer)
                || layer is < 1 or > MostLayers)
                throw Error(tensor, $"is not one of a control vector ({Tensor}1, {Tensor}2, ...)");
            if (tensor.Type != ElementType.F32 || tensor.Rows != 1 || tensor.Columns > 1 << 20)
                throw Error(tensor, "is not a vector of F32");
            while (directions.Count <= layer) directions.Add(null);
            if (directions[layer] is not null) throw Error(tensor, "is there twice");
            float[] numbers = new float[tensor.Columns];
            file.Bytes(tensor, 0, (int)tensor.ByteCount).CopyTo(MemoryMarshal.AsBytes(numbers.AsSpan()));
            if (!Array.TrueForAll(numbers, float.IsFinite)) throw Error(tensor, "has a value that is not finite");
            if (directions.OfType<float[]>().FirstOrDefault() is { } other && other.Length != numbers.Length)
                throw Error(tensor, $"has {numbers.Length} numbers, and another one {other.Length}");
            directions[layer] = numbers;
        }
        if (directions.Count == 0) throw new ModelException(path, "has no directions");
        return new ControlVector(StoredModel.NameOf(path), directions);

        ModelException Error(GgufTensor tensor, string problem) => new(path, $"tensor {FolderFile.Printable(tensor.Name)} {problem}");
    }

    /// <summary>Writes a file that llama.cpp reads, too.</summary>
    /// <param name="path">Where it goes.</param>
    /// <param name="hint">The model's architecture.</param>
    public void Save(string path, string hint)
    {
        var writer = new GgufWriter();
        writer.Set("general.architecture", GgufValue.Of(Architecture));
        writer.Set("controlvector.model_hint", GgufValue.Of(hint));
        writer.Set("controlvector.layer_count", GgufValue.Of((uint)(_directions.Length - 1)));
        for (int layer = 1; layer < _directions.Length; layer++)
        {
            if (_directions[layer] is { } direction)
                writer.SetTensor(string.Create(CultureInfo.InvariantCulture, $"{Tensor}{layer}"), [direction.Length], ElementType.F32,
                    stream => stream.Write(MemoryMarshal.AsBytes(direction.AsSpan())));
        }
        writer.Save(path);
    }

    /// <summary>Vector added after a layer, counted from 0 [width]; null: none.</summary>
    internal float[]? Direction(int layer) => layer < _directions.Length ? _directions[layer] : null;
}
