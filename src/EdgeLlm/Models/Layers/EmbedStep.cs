using EdgeLlm.Kernels;
using EdgeLlm.Models.Adapters;
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
        if (!pass.IsAdapted) return;
        for (int t = 0; t < ids.Length; t++)
        {
            if (pass.AdaptationOf(t)?.At(embedding.Role, embedding.Layer) is not { } changes) continue;
            foreach (Adaptation.Scaled changed in changes) changed.Change.Whole?.RowToFloat(ids[t], to.Row(t));
            foreach (Adaptation.Scaled changed in changes) changed.Change.LowRank?.AddColumn(ids[t], to.Row(t), changed.Scale);
        }
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
        if (context > positions.Rows)
            throw tensors.Error($"knows {positions.Rows} positions ({table.Name}): a context of {context} is too long");
        _rows = tensors.Matrix(table);
    }

    public override unsafe void Run(Pass pass)
    {
        for (int t = 0; t < pass.Tokens; t++)
        {
            _rows.RowToFloat(pass.PositionOf(t), row.Start);
            pass.Kernel.Add(to.Row(t), row.Start, to.Width);
        }
    }
}

/// <summary>Adds the rows of the tokens' types.</summary>
internal sealed class TokenTypeStep(TensorUse table, Operand to, Operand row) : Step
{
    private WeightMatrix _rows;

    public override Operation Operation => Operation.Embed;

    public override IEnumerable<TensorUse> Tensors => [table];

    public override IEnumerable<Operand> Inputs => [to];

    public override IEnumerable<Operand> Outputs => [to, row];

    public override void Bind(ModelTensors tensors, int context) => _rows = tensors.Matrix(table);

    public override unsafe void Run(Pass pass)
    {
        ReadOnlySpan<byte> types = pass.Types;
        for (int t = 0; t < types.Length; t++)
        {
            _rows.RowToFloat(types[t], row.Start);
            pass.Kernel.Add(to.Row(t), row.Start, to.Width);
        }
    }
}

/// <summary>Leaves each sequence's first token alone, for a classifier.</summary>
internal sealed class FirstTokenStep(Operand from, Operand to) : Step
{
    public override Operation Operation => Operation.Head;

    public override IEnumerable<Operand> Inputs => [from];

    public override IEnumerable<Operand> Outputs => [to];

    public override unsafe void Run(Pass pass)
    {
        for (int i = 0; i < pass.Parts.Length; i++)
            Buffer.MemoryCopy(from.Row(pass.Parts[i].First), to.Row(i), 4L * to.Width, 4L * to.Width);
        pass.KeepFirst();
    }
}
