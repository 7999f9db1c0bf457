using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Layers;

/// <summary>Cosines and sines of the tokens' positions, which all layers with the same rotary positions use: [cosines, sines], each [pairs].</summary>
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

/// <summary>Rotates queries and keys by the tokens' positions.</summary>
internal sealed unsafe class RotateStep : Step
{
    private readonly Operand _angles;
    private readonly Action<int, int> _rotate;
    private Pass _pass = null!;

    public RotateStep(AttentionSpec attention, Operand angles, Operand queries, Operand keys)
    {
        (Attention, _angles, Queries, Keys) = (attention, angles, queries, keys);
        _rotate = Rotate;
    }

    public AttentionSpec Attention { get; }

    public Operand Queries { get; }

    public Operand Keys { get; }

    public override Operation Operation => Operation.RotateAndStore;

    public override IEnumerable<Operand> Inputs => [_angles, Queries, Keys];

    public override IEnumerable<Operand> Outputs => [Queries, Keys];

    public override void Run(Pass pass)
    {
        _pass = pass;
        pass.ForEachToken(_rotate);
    }

    private void Rotate(int token, int thread)
    {
        RopeSpec rope = Attention.Rope!;
        int pairs = rope.Dimension / 2, dimension = Attention.Dimension;
        float* cosines = _angles.Row(token), sines = cosines + pairs;
        _pass.Kernel.Rotate(Queries.Row(token), Attention.Heads, dimension, cosines, sines, pairs, rope.IsSplit);
        _pass.Kernel.Rotate(Keys.Row(token), Attention.KeyValueHeads, dimension, cosines, sines, pairs, rope.IsSplit);
    }
}
