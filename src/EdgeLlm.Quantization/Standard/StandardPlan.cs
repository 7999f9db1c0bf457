using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization.Standard;

/// <summary>Form of each tensor in a file of a standard type.</summary>
internal sealed class StandardPlan : TensorPlan
{
    private readonly StandardMix _mix;

    /// <param name="type">The type that most matrices get.</param>
    /// <param name="hasImportance">Whether scales are going to be searched with importance: some tensors then do with less.</param>
    /// <param name="lattices">Names of the matrices that are on Q4_0's lattice, which they keep where the type has four bits; null:
    /// none.</param>
    /// <exception cref="ModelException">It is not a model that runs here.</exception>
    /// <exception cref="GgufException">A key of the model is missing or wrong.</exception>
    public StandardPlan(GgufFile file, ElementType type, bool hasImportance, IReadOnlySet<string>? lattices = null)
        : base(file, IsFourBit(type) ? lattices : null)
    {
        Type = type;
        _mix = new StandardMix(file, Model, type, hasImportance);
    }

    /// <summary>The type that most matrices get.</summary>
    public ElementType Type { get; }

    /// <summary>Type of a tensor in the output; its own, where it is copied.</summary>
    public ElementType TypeOf(GgufTensor tensor) => Lattices.Contains(tensor.Name) ? ElementType.Q4_0
        : tensor.Type == ElementType.MXFP4 && IsFourBit(Type) ? tensor.Type : _mix.TypeOf(tensor);

    /// <summary>Whether rounding to the type would lose a lattice of four bits.</summary>
    private static bool IsFourBit(ElementType type) => type is ElementType.Q4_0 or ElementType.IQ4_NL or ElementType.Q4_K;

    /// <inheritdoc/>
    public override string? NewTypeOf(GgufTensor tensor) =>
        TypeOf(tensor) is var type && type == tensor.Type ? null : ElementFormat.Get(type).Name;

    /// <inheritdoc/>
    public override long BytesOf(GgufTensor tensor) => ElementFormat.ByteCount(TypeOf(tensor), tensor.Columns) * tensor.Rows;
}
