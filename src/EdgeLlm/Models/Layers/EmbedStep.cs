using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Layers;

/// <summary>The tokens' rows of the embedding.</summary>
internal sealed class EmbedStep(TensorUse embedding, Operand to) : Step
{
    private WeightMatrix _weights;

    public override Operation Operation => Operation.Embed;

    public override IEnumerable<TensorUse> Tensors => [embedding];

    public override IEnumerable<Operand> Outputs => [to];

    public override void Bind(ModelTensors tensors, int context) => _weights = tensors.Matrix(embedding);

    public override unsafe void Run(Pass pass)
    {
        ReadOnlySpan<int> ids = pass.Ids;
        for (int t = 0; t < ids.Length; t++) _weights.RowToFloat(ids[t], to.Row(t));
    }
}
