using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;

namespace EdgeLlm.Quantization.Standard;

/// <summary>What becomes of each tensor in a file of a standard type.</summary>
internal sealed class StandardPlan
{
    private readonly StandardMix _mix;

    /// <param name="type">The type that most matrices get.</param>
    /// <param name="hasImportance">Whether scales are going to be searched with importance: some tensors then do with less.</param>
    /// <exception cref="ModelException">It is not a model that runs here.</exception>
    public StandardPlan(GgufFile file, ElementType type, bool hasImportance)
    {
        (File, Type) = (file, type);
        ModelConfig config = ModelLoader.ReadConfig(file);
        if (file.Tensors.FirstOrDefault(tensor => file.FindPacked(tensor.Name) is not null) is { } packed)
            throw new ModelException(file.Path, $"is packed (tensor {packed.Name}): take the file that it was made from");
        _mix = new StandardMix(file, config, type, hasImportance);
        bool tied = file.FindTensor(TensorOrder.Head) is null;
        Tensors = [.. file.Tensors.OrderBy(tensor => TensorOrder.Rank(tensor.Name, tied))];
    }

    public GgufFile File { get; }

    /// <summary>The type that most matrices get.</summary>
    public ElementType Type { get; }

    /// <summary>All tensors in the order of the output.</summary>
    public IReadOnlyList<GgufTensor> Tensors { get; }

    /// <summary>Bytes that the tensors are going to have.</summary>
    public long OutputBytes => Tensors.Sum(BytesOf);

    /// <summary>Bits that a weight takes on average.</summary>
    public double BitsPerWeight => OutputBytes * 8.0 / Tensors.Sum(tensor => tensor.Rows * tensor.Columns);

    /// <summary>The type of the first matrix that is quantized already and becomes another, or null.</summary>
    public string? QuantizedAlready => Tensors.FirstOrDefault(tensor =>
        ElementFormat.Get(tensor.Type).ValuesPerBlock > 1 && TypeOf(tensor) != tensor.Type) is { } tensor
        ? ElementFormat.Get(tensor.Type).Name
        : null;

    /// <summary>The type that a tensor gets; its own, where it is copied.</summary>
    public ElementType TypeOf(GgufTensor tensor) => _mix.TypeOf(tensor);

    /// <summary>Bytes that a tensor is going to have.</summary>
    public long BytesOf(GgufTensor tensor) => ElementFormat.ByteCount(TypeOf(tensor), tensor.Columns) * tensor.Rows;
}
