using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Models.Layers;

/// <summary>Of each head's query and gate, side by side, the queries to one register and the gates to another.</summary>
internal sealed unsafe class SplitHeadsStep(int dimension, Operand from, Operand queries, Operand gates) : TokenStep
{
    public override Operation Operation => Operation.QueryKeyValue;

    public override IEnumerable<Operand> Inputs => [from];

    public override IEnumerable<Operand> Outputs => [queries, gates];

    protected override void RunToken(int token, int thread)
    {
        float* pair = from.Row(token), query = queries.Row(token), gate = gates.Row(token);
        long bytes = 4L * dimension;
        for (int first = 0; first < queries.Width; first += dimension, pair += 2 * dimension)
        {
            Buffer.MemoryCopy(pair, query + first, bytes, bytes);
            Buffer.MemoryCopy(pair + dimension, gate + first, bytes, bytes);
        }
    }
}

/// <summary>Multiplies rows by the logistic function of a number each.</summary>
internal sealed unsafe class ShareStep(Operand rows, Operand numbers) : TokenStep
{
    public override Operation Operation => Operation.Activation;

    public override IEnumerable<Operand> Inputs => [rows, numbers];

    public override IEnumerable<Operand> Outputs => [rows];

    protected override void RunToken(int token, int thread) =>
        Pass.Kernel.Multiply(rows.Row(token), 1 / (1 + Polynomials.Exp(-*numbers.Row(token))), rows.Width);
}

/// <summary>gate = (up + 1) * gate / (1 + exp(-factor * gate)), with gate up to a limit and up within it.</summary>
internal sealed unsafe class ClampedActivateStep(float factor, float limit, Operand gate, Operand up) : TokenStep
{
    public Operand Gate => gate;

    public override Operation Operation => Operation.Activation;

    public override IEnumerable<Operand> Inputs => [gate, up];

    public override IEnumerable<Operand> Outputs => [gate];

    protected override void RunToken(int token, int thread) =>
        Pass.Kernel.ActivateClamped(gate.Row(token), up.Row(token), factor, limit, gate.Width);
}
