using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Layers;

/// <summary>Normalizes rows; one that is not finite ends the pass.</summary>
internal sealed unsafe class NormStep : TokenStep
{
    private readonly NormSpec _norm;
    private readonly TensorUse _weight;
    private readonly bool _isLayerNorm; // not a root mean square
    private float* _weights;
    private float* _biases; // null: none

    public NormStep(NormSpec norm, TensorUse weight, TensorUse? bias, Operand from, Operand to)
    {
        (_norm, _weight, Bias, From, To) = (norm, weight, bias, from, to);
        _isLayerNorm = norm.IsCentered || bias is not null;
    }

    public Operand From { get; }

    public Operand To { get; }

    public NormSpec Norm => _norm;

    public TensorUse Weight => _weight;

    /// <summary>Added at the end, or null.</summary>
    public TensorUse? Bias { get; }

    /// <summary>Whether results are checked here, as no later norm would find them out.</summary>
    public bool IsLast { get; init; }

    public override Operation Operation => Operation.Norm;

    public override IEnumerable<TensorUse> Tensors => Bias is null ? [_weight] : [_weight, Bias];

    public override IEnumerable<Operand> Inputs => [From];

    public override IEnumerable<Operand> Outputs => [To];

    public override void Bind(ModelTensors tensors, int context)
    {
        _weights = tensors.Vector(_weight);
        _biases = Bias is null ? null : tensors.Vector(Bias);
    }

    public override void Run(Pass pass)
    {
        base.Run(pass);
        pass.ThrowIfNotFinite();
        if (IsLast) FiniteCheck.Require(To.Start, (nint)pass.Tokens * To.Width, _weight.Name);
    }

    protected override void RunToken(int token, int thread)
    {
        float* weights = _weights, biases = _biases;
        if (Pass.IsAdapted && Pass.AdaptationOf(token) is { } adaptation)
        {
            float* changed = adaptation.VectorAt(_weight.Role, _weight.Layer),
                changedBiases = Bias is null ? null : adaptation.VectorAt(Bias.Role, Bias.Layer);
            if (changed != null) weights = changed;
            if (changedBiases != null) biases = changedBiases;
        }
        bool isFinite = _isLayerNorm
            ? Pass.Kernel.LayerNorm(From.Row(token), weights, biases, To.Row(token), To.Width, _norm.Epsilon)
            : Pass.Kernel.RmsNorm(From.Row(token), weights, To.Row(token), To.Width, _norm.Epsilon);
        if (!isFinite) Pass.NoteNotFinite();
    }
}

/// <summary>
/// Normalizes each head of queries or keys by itself, or all heads as one; what is not finite ends the pass at the next norm.
/// </summary>
/// <param name="weight">[dimension of a head], or [width] for all heads as one.</param>
internal sealed unsafe class HeadNormStep(NormSpec norm, TensorUse weight, Operand heads) : TokenStep
{
    private float* _weights;

    public NormSpec Norm => norm;

    public TensorUse Weight => weight;

    public Operand Heads => heads;

    public override Operation Operation => Operation.Norm;

    public override IEnumerable<TensorUse> Tensors => [weight];

    public override IEnumerable<Operand> Inputs => [heads];

    public override IEnumerable<Operand> Outputs => [heads];

    public override void Bind(ModelTensors tensors, int context) => _weights = tensors.Vector(weight);

    protected override void RunToken(int token, int thread)
    {
        float* head = heads.Row(token), weights = _weights;
        if (Pass.IsAdapted && Pass.AdaptationOf(token) is { } adaptation
            && adaptation.VectorAt(weight.Role, weight.Layer) is var changed && changed != null)
            weights = changed;
        for (int first = 0; first < heads.Width; first += weight.Columns)
        {
            bool isFinite = norm.IsCentered
                ? Pass.Kernel.LayerNorm(head + first, weights, null, head + first, weight.Columns, norm.Epsilon)
                : Pass.Kernel.RmsNorm(head + first, weights, head + first, weight.Columns, norm.Epsilon);
            if (!isFinite) Pass.NoteNotFinite();
        }
    }
}
