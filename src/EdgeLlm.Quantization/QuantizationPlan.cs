using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;

namespace EdgeLlm.Quantization;

/// <summary>What becomes of each tensor of a model.</summary>
internal sealed class QuantizationPlan
{
    private readonly Dictionary<string, Packing> _packings = [];

    /// <param name="body">How matrices of layers are packed.</param>
    /// <param name="embedding">How embedding and head are.</param>
    /// <exception cref="ModelException">It is not a model that runs here, or a tensor is of a type that can't be read.</exception>
    /// <exception cref="GgufException">A key of the model is missing or wrong.</exception>
    public QuantizationPlan(GgufFile file, Packing body, Packing embedding)
    {
        File = file;
        ModelLoader.ReadConfig(file);
        if (file.Tensors.FirstOrDefault(tensor => file.FindPacked(tensor.Name) is not null) is { } packed)
            throw new ModelException(file.Path, $"is packed already (tensor {packed.Name}): take the file that it was made from");
        bool tied = file.FindTensor(TensorOrder.Head) is null;
        Tensors = [.. file.Tensors.OrderBy(tensor => TensorOrder.Rank(tensor.Name, tied))];
        foreach (GgufTensor tensor in Tensors)
        {
            bool fits = tensor.Shape.Count == 2 && tensor.Columns % PackedLayout.BlockColumns == 0 && tensor.Rows <= int.MaxValue && WeightRows.CanRead(tensor.Type);
            if (!fits) continue;
            if (tensor.Name is TensorOrder.Embedding or TensorOrder.Head) _packings[tensor.Name] = embedding;
            else if (TensorOrder.IsLayerMatrix(tensor.Name)) _packings[tensor.Name] = body;
        }
    }

    public GgufFile File { get; }

    /// <summary>All tensors in the order of the output.</summary>
    public IReadOnlyList<GgufTensor> Tensors { get; }

    /// <summary>Bytes that the tensors are going to have.</summary>
    public long OutputBytes => Tensors.Sum(BytesOf);

    /// <summary>About what metadata and alignment add to <see cref="OutputBytes"/>, at least: the source's own header and what tells of the packed tensors.</summary>
    public long HeaderBytes => File.FileSize - File.Tensors.Sum(tensor => tensor.ByteCount) + 256L * (Tensors.Count + 16);

    /// <summary>Weights of all tensors that are packed.</summary>
    public long PackedWeights => Tensors.Where(tensor => PackingOf(tensor.Name) != Packing.None).Sum(tensor => tensor.Rows * tensor.Columns);

    /// <summary>Bytes of the tensors that are not.</summary>
    public long OtherBytes => Tensors.Where(tensor => PackingOf(tensor.Name) == Packing.None).Sum(tensor => tensor.ByteCount);

    /// <summary>How a tensor is packed; None: it stays as it is.</summary>
    public Packing PackingOf(string name) => _packings.GetValueOrDefault(name);

    /// <summary>Chooses otherwise for a tensor that is packed.</summary>
    public void SetPacking(string name, Packing packing) => _packings[name] = packing;

    /// <summary>Bytes that a tensor is going to have.</summary>
    public long BytesOf(GgufTensor tensor) => PackingOf(tensor.Name) is var packing && packing == Packing.None
        ? tensor.ByteCount
        : new PackedLayout(packing, (int)tensor.Columns).ByteCount((int)tensor.Rows);

    /// <summary>The type of the first matrix to pack that is not made of floats, or null.</summary>
    public string? QuantizedAlready => Tensors.FirstOrDefault(tensor =>
        PackingOf(tensor.Name) != Packing.None && tensor.Type is not (ElementType.F32 or ElementType.F16 or ElementType.BF16)) is { } tensor
        ? ElementFormat.Get(tensor.Type).Name
        : null;

    /// <summary>Bits that a weight of the packed tensors takes on average.</summary>
    public double BitsPerWeight
    {
        get
        {
            GgufTensor[] packed = [.. Tensors.Where(tensor => PackingOf(tensor.Name) != Packing.None)];
            return packed.Length == 0 ? 0 : packed.Sum(BytesOf) * 8.0 / packed.Sum(tensor => tensor.Rows * tensor.Columns);
        }
    }
}
