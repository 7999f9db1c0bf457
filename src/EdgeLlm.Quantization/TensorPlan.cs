using System.Collections.Frozen;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Quantization;

/// <summary>Form of each tensor of a model.</summary>
internal abstract class TensorPlan
{
    /// <param name="lattices">Names of the matrices that are kept on Q4_0's lattice; null: none.</param>
    /// <exception cref="ModelException">It is not a model that runs here.</exception>
    /// <exception cref="GgufException">A key of the model is missing or wrong.</exception>
    protected TensorPlan(GgufFile file, IReadOnlySet<string>? lattices)
    {
        (File, Lattices) = (file, lattices ?? FrozenSet<string>.Empty);
        Model = ModelLoader.ReadSpec(file);
        Tensors = [.. file.Tensors.OrderBy(tensor => TensorTable.Rank(tensor.Name, Model.IsTied))];
    }

    public GgufFile File { get; }

    /// <summary>Names of the matrices that become Q4_0 with the codes that they were trained for.</summary>
    public IReadOnlySet<string> Lattices { get; protected init; }

    /// <summary>All tensors in the order of the output.</summary>
    public IReadOnlyList<GgufTensor> Tensors { get; }

    /// <summary>Bytes that the tensors are going to have.</summary>
    public long OutputBytes => Tensors.Sum(BytesOf);

    /// <summary>Bits that a weight of the matrices is going to take on average.</summary>
    public double BitsPerWeight
    {
        get
        {
            GgufTensor[] matrices = [.. Tensors.Where(tensor => tensor.Rows > 1)];
            return matrices.Sum(BytesOf) * 8.0 / matrices.Sum(tensor => tensor.Rows * tensor.Columns);
        }
    }

    /// <summary>The type of the first quantized matrix that becomes another, or null.</summary>
    public string? QuantizedAlready =>
        Tensors.FirstOrDefault(tensor => WeightRows.AreQuantized(tensor) && NewTypeOf(tensor) is not null)?.TypeName;

    protected ModelSpec Model { get; }

    /// <summary>Name of a tensor's type in the output, or null: it stays as it is.</summary>
    public abstract string? NewTypeOf(GgufTensor tensor);

    /// <summary>Bytes that a tensor is going to have.</summary>
    public abstract long BytesOf(GgufTensor tensor);
}
