namespace EdgeLlm.Models.Layers;

/// <summary>gate = silu(gate) * up.</summary>
internal sealed unsafe class ActivateStep(Operand gate, Operand up) : TokenStep
{
    public Operand Gate => gate;

    public Operand Up => up;

    public override Operation Operation => Operation.Activation;

    public override IEnumerable<Operand> Inputs => [Gate, Up];

    public override IEnumerable<Operand> Outputs => [Gate];

    protected override void RunToken(int token, int thread) => Pass.Kernel.SiluMultiply(gate.Row(token), up.Row(token), gate.Width);
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

/// <summary>Drops the tokens that do not go on to the head, from every register that is read later: their keys and values are stored by now.</summary>
internal sealed unsafe class NarrowStep(IReadOnlyList<Operand> kept) : Step
{
    public override Operation Operation => Operation.Add;

    public override IEnumerable<Operand> Inputs => kept;

    public override void Run(Pass pass)
    {
        int first = 0;
        foreach (ref readonly SequencePart part in pass.Parts)
        {
            int from = part.First + part.Tokens - part.Logits;
            if (from != first)
            {
                foreach (Operand operand in kept)
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
