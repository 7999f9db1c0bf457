using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Layers;

/// <summary>
/// Cosines and sines of the tokens' positions, which all layers with the same rotary positions use: [cosines, sines], each [pairs].
/// </summary>
internal sealed unsafe class AnglesStep(RopeSpec rope, Operand to) : Step
{
    private RopeFrequencies _frequencies = null!;

    public override Operation Operation => Operation.Embed;

    public override IEnumerable<Operand> Outputs => [to];

    public override void Bind(ModelTensors tensors, int context) => _frequencies = new RopeFrequencies(rope, context);

    public override void Run(Pass pass)
    {
        int pairs = _frequencies.Pairs;
        for (int t = 0; t < pass.Tokens; t++)
        {
            float* angles = to.Row(t);
            _frequencies.Angles(pass.PositionOf(t), new Span<float>(angles, pairs), new Span<float>(angles + pairs, pairs));
        }
    }
}

/// <summary>Rotates queries, and keys where the layer has its own, by the tokens' positions.</summary>
internal sealed unsafe class RotateStep(AttentionSpec attention, Operand angles, Operand queries, Operand? keys) : TokenStep
{
    public AttentionSpec Attention => attention;

    public Operand Queries => queries;

    public Operand? Keys => keys;

    public override Operation Operation => Operation.RotateAndStore;

    public override IEnumerable<Operand> Inputs => keys is { } rotated ? [angles, queries, rotated] : [angles, queries];

    public override IEnumerable<Operand> Outputs => keys is { } rotated ? [queries, rotated] : [queries];

    protected override void RunToken(int token, int thread)
    {
        RopeSpec rope = Attention.Rope!;
        int pairs = rope.Dimension / 2, dimension = Attention.Dimension;
        float* cosines = angles.Row(token), sines = cosines + pairs;
        Pass.Kernel.Rotate(Queries.Row(token), Attention.Heads, dimension, cosines, sines, pairs, rope.IsSplit);
        if (keys is { } rotated)
            Pass.Kernel.Rotate(rotated.Row(token), Attention.KeyValueHeads, dimension, cosines, sines, pairs, rope.IsSplit);
    }
}
