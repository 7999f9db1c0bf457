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
        bool isFinite = _isLayerNorm
            ? Pass.Kernel.LayerNorm(From.Row(token), _weights, _biases, To.Row(token), To.Width, _norm.Epsilon)
            : Pass.Kernel.RmsNorm(From.Row(token), _weights, To.Row(token), To.Width, _norm.Epsilon);
        if (!isFinite) Pass.NoteNotFinite();
    }
}
