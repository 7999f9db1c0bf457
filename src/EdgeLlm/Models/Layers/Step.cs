using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Layers;

/// <summary>
/// One operation of a forward pass over all its tokens. Made from the spec alone; <see cref="Bind"/> gives it the weights of a file that is
/// opened. What else walks over a model (cost, memory, order, quantization) reads what a step is, and does not run it.
/// </summary>
internal abstract class Step
{
    /// <summary>Operation in a profile.</summary>
    public abstract Operation Operation { get; }

    /// <summary>Tensors that it uses.</summary>
    public virtual IEnumerable<TensorUse> Tensors => [];

    /// <summary>Registers that it reads.</summary>
    public virtual IEnumerable<Operand> Inputs => [];

    /// <summary>Registers that it writes.</summary>
    public virtual IEnumerable<Operand> Outputs => [];

    /// <summary>Whether it writes a cache: tokens without logits may be dropped after the last step that does.</summary>
    public virtual bool WritesCache => false;

    /// <summary>Bytes of weights that it reads for one token, and multiply-adds it makes with them.</summary>
    public virtual (long Bytes, long MultiplyAdds) Cost => default;

    /// <summary>Takes up what it needs of an open model.</summary>
    public virtual void Bind(ModelTensors tensors, int context)
    {
    }

    /// <summary>Computes all tokens of a pass. One pass at a time.</summary>
    public abstract void Run(Pass pass);
}

/// <summary>A step that computes each token by itself, the tokens over the threads.</summary>
internal abstract class TokenStep : Step
{
    private readonly Action<int, int> _run; // made once: a pass allocates nothing

    protected TokenStep() => _run = RunToken;

    /// <summary>The pass at hand.</summary>
    protected Pass Pass { get; private set; } = null!;

    /// <inheritdoc/>
    public override void Run(Pass pass)
    {
        Pass = pass;
        pass.ForEachToken(_run);
    }

    /// <summary>Computes a token of <see cref="Pass"/>; on any thread.</summary>
    protected abstract void RunToken(int token, int thread);
}
