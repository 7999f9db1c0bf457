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

/// <summary>Adds the rows of the tokens' positions.</summary>
internal sealed class PositionStep(TensorUse table, LearnedPositions positions, Operand to, Operand row) : Step
{
    private WeightMatrix _rows;

    public override Operation Operation => Operation.Embed;

    public override IEnumerable<TensorUse> Tensors => [table];

    public override IEnumerable<Operand> Inputs => [to];

    public override IEnumerable<Operand> Outputs => [to, row];

    public override void Bind(ModelTensors tensors, int context)
    {
        int most = positions.Rows - positions.Offset;
        if (context > most) throw tensors.Error($"knows {most} positions ({table.Name}): a context of {context} is too long");
        _rows = tensors.Matrix(table);
    }

    public override unsafe void Run(Pass pass)
    {
        for (int t = 0; t < pass.Tokens; t++)
        {
            _rows.RowToFloat(pass.PositionOf(t) + positions.Offset, row.Start);
            pass.Kernel.Add(to.Row(t), row.Start, to.Width);
        }
    }
}
