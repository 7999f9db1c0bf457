using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Layers;

/// <summary>gate = f(gate) * up, or f(gate) where there is no <paramref name="up"/>.</summary>
internal sealed unsafe class ActivateStep(Activation activation, Operand gate, Operand? up) : TokenStep
{
    public Activation Activation => activation;

    public Operand Gate => gate;

    public Operand? Up => up;

    public override Operation Operation => Operation.Activation;

    public override IEnumerable<Operand> Inputs => Up is { } factors ? [Gate, factors] : [Gate];

    public override IEnumerable<Operand> Outputs => [Gate];

    protected override void RunToken(int token, int thread)
    {
        float* factors = up is { } given ? given.Row(token) : null;
        if (activation == Activation.Silu && factors != null) Pass.Kernel.SiluMultiply(gate.Row(token), factors, gate.Width);
        else Pass.Kernel.Activate(activation, gate.Row(token), factors, gate.Width);
    }
}

/// <summary>x *= factor.</summary>
internal sealed unsafe class ScaleStep(Operand operand, float factor) : Step
{
    /// <summary>Operation in a profile.</summary>
    public Operation Of { get; init; } = Operation.Add;

    public Operand Operand => operand;

    public float Factor => factor;

    public override Operation Operation => Of;

    public override IEnumerable<Operand> Inputs => [operand];

    public override IEnumerable<Operand> Outputs => [operand];

    public override void Run(Pass pass)
    {
        for (int t = 0; t < pass.Tokens; t++) pass.Kernel.Multiply(operand.Row(t), factor, operand.Width);
    }
}

/// <summary>The soft cap of logits: x = cap * tanh(x / cap).</summary>
internal sealed unsafe class CapStep(Operand operand, float cap) : TokenStep
{
    public override Operation Operation => Operation.Head;

    public override IEnumerable<Operand> Inputs => [operand];

    public override IEnumerable<Operand> Outputs => [operand];

    protected override void RunToken(int token, int thread) => Pass.Kernel.Cap(operand.Row(token), cap, operand.Width);
}

/// <summary>Keeps queries, keys and values from -limit to limit.</summary>
internal sealed unsafe class ClampStep(float limit, params Operand[] operands) : TokenStep
{
    public override Operation Operation => Operation.RotateAndStore;

    public override IEnumerable<Operand> Inputs => operands;

    public override IEnumerable<Operand> Outputs => operands;

    protected override void RunToken(int token, int thread)
    {
        foreach (Operand operand in operands) Pass.Kernel.Clamp(operand.Row(token), limit, operand.Width);
    }
}

/// <summary>Columns of one matrix's result to a register each.</summary>
internal sealed unsafe class SplitStep(Operation operation, Operand from, params Operand[] to) : TokenStep
{
    public Operand From => from;

    /// <summary>In the order of the columns; together as wide as what they come of.</summary>
    public IReadOnlyList<Operand> To => to;

    public override Operation Operation => operation;

    public override IEnumerable<Operand> Inputs => [from];

    public override IEnumerable<Operand> Outputs => to;

    protected override void RunToken(int token, int thread)
    {
        float* source = from.Row(token);
        foreach (Operand operand in to)
        {
            Buffer.MemoryCopy(source, operand.Row(token), 4L * operand.Width, 4L * operand.Width);
            source += operand.Width;
        }
    }
}

/// <summary>Multiplies queries by what grows with their position.</summary>
internal sealed unsafe class GrowStep(QueryGrowth growth, Operand queries) : TokenStep
{
    public override Operation Operation => Operation.RotateAndStore;

    public override IEnumerable<Operand> Inputs => [queries];

    public override IEnumerable<Operand> Outputs => [queries];

    protected override void RunToken(int token, int thread) =>
        Pass.Kernel.Multiply(queries.Row(token), growth.FactorAt(Pass.PositionOf(token)), queries.Width);
}

/// <summary>to += from.</summary>
internal sealed unsafe class AddStep(Operand to, Operand from) : Step
{
    public Operand To => to;

    public Operand From => from;

    public override Operation Operation => Operation.Add;

    public override IEnumerable<Operand> Inputs => [to, from];

    public override IEnumerable<Operand> Outputs => [to];

    public override void Run(Pass pass) => pass.Kernel.Add(to.Start, from.Start, pass.Tokens * to.Width);
}

/// <summary>
/// Drops the tokens that do not reach the head, from every register that is read later: their keys and values are stored by now.
/// </summary>
internal sealed unsafe class NarrowStep(IReadOnlyList<Operand> kept) : Step
{
    private readonly Operand[] _kept = [.. kept]; // an array: going through a list would allocate

    public override Operation Operation => Operation.Add;

    public override IEnumerable<Operand> Inputs => _kept;

    public override void Run(Pass pass)
    {
        int first = 0;
        foreach (ref readonly SequencePart part in pass.Parts)
        {
            int from = part.First + part.Tokens - part.Logits;
            if (from != first)
            {
                foreach (Operand operand in _kept)
                {
                    long bytes = 4L * part.Logits * operand.Width;
                    Buffer.MemoryCopy(operand.Row(from), operand.Row(first), bytes, bytes);
                }
            }
            first += part.Logits;
        }
        pass.Narrow();
    }
}
