using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Quantization;

/// <summary>Form of each tensor in a packed file.</summary>
internal sealed class QuantizationPlan : TensorPlan
{
    private readonly Dictionary<string, Packing> _packings = [];

    /// <param name="body">How matrices of layers are packed.</param>
    /// <param name="embedding">How embedding and head are.</param>
    /// <param name="lattices">Names of the matrices that are kept on Q4_0's lattice instead; null: none.</param>
    /// <exception cref="ModelException">It is not a model that runs here.</exception>
    /// <exception cref="GgufException">A key of the model is missing or wrong.</exception>
    public QuantizationPlan(GgufFile file, Packing body, Packing embedding, IReadOnlySet<string>? lattices = null) : base(file, lattices)
    {
        foreach (GgufTensor tensor in Tensors.Where(tensor => CanPack(tensor) && !Lattices.Contains(tensor.Name)))
            _packings[tensor.Name] = TensorTable.IsLayerMatrix(tensor.Name) ? body : embedding;
    }

    /// <summary>
    /// Whether a tensor is a matrix, or a stack of matrices, of a layer, an embedding or a head, of a shape and type that can be packed.
    /// </summary>
    public static bool CanPack(GgufTensor tensor) =>
        (tensor.MatrixShape.Count == 2 || tensor.MatrixShape.Count == 3 && tensor.MatrixShape[1] % PackedLayout.GroupRows == 0)
            && tensor.Type != ElementType.MXFP4 && tensor.Columns % PackedLayout.BlockColumns == 0 && tensor.Rows <= int.MaxValue
            && WeightRows.CanRead(tensor)
        && (TensorTable.IsLayerMatrix(tensor.Name) || tensor.Name is TensorTable.Embedding or TensorTable.Head);

    /// <summary>
    /// About what metadata and alignment add to <see cref="TensorPlan.OutputBytes"/>, at least: the source's own header and what tells of
    /// the packed tensors.
    /// </summary>
    public long HeaderBytes => File.FileSize - File.Tensors.Sum(tensor => tensor.ByteCount) + 256L * (Tensors.Count + 16);

    /// <summary>Weights of all tensors that are packed.</summary>
    public long PackedWeights =>
        Tensors.Where(tensor => PackingOf(tensor.Name) != Packing.None).Sum(tensor => tensor.Rows * tensor.Columns);

    /// <summary>Bytes of the tensors that are not.</summary>
    public long OtherBytes => Tensors.Where(tensor => PackingOf(tensor.Name) == Packing.None).Sum(BytesOf);

    /// <summary>How a tensor is packed; None: it stays as it is.</summary>
    public Packing PackingOf(string name) => _packings.GetValueOrDefault(name);

    /// <summary>Whether packed matrices are rotated (<see cref="Rotation"/>).</summary>
    public bool Rotates { get; set; }

    /// <summary>
    /// The mean KL divergence from the source that the forms are expected to make, in nats a token; null: it was not estimated.
    /// </summary>
    public double? PredictedDivergence { get; set; }

    /// <summary>Bytes of a tensor that are read for each token: none of an embedding that is only looked up.</summary>
    public long ReadBytesOf(GgufTensor tensor) => tensor.Name == TensorTable.Embedding && !Model.IsTied ? 0 : BytesOf(tensor);

    /// <summary>How a tensor that is packed is stored.</summary>
    public PackedLayout LayoutOf(string name, int columns) => new(PackingOf(name), columns) { IsRotated = Rotates };

    /// <summary>Chooses otherwise for a tensor that is packed.</summary>
    public void SetPacking(string name, Packing packing) => _packings[name] = packing;

    /// <inheritdoc/>
    public override string? NewTypeOf(GgufTensor tensor) => Lattices.Contains(tensor.Name) ? ElementFormat.Get(ElementType.Q4_0).Name
        : PackingOf(tensor.Name) is var packing && packing == Packing.None ? null
        : PackedTensor.NameOf(packing) + (Rotates ? "-rotated" : "");

    /// <inheritdoc/>
    public override long BytesOf(GgufTensor tensor) =>
        Lattices.Contains(tensor.Name) ? ElementFormat.ByteCount(ElementType.Q4_0, tensor.Columns) * tensor.Rows
            : PackingOf(tensor.Name) is var packing && packing == Packing.None
        ? tensor.ByteCount
        : new PackedLayout(packing, (int)tensor.Columns).ByteCount((int)tensor.Rows);
}
