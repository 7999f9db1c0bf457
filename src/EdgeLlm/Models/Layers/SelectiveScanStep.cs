using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Layers;

/// <summary>Mamba 2's recurrence of each head.</summary>
internal sealed unsafe class SelectiveScanStep : RecurrentStep
{
    private readonly SelectiveScanSpec _scan;
    private readonly TensorUse _rates;
    private readonly TensorUse _skips;
    private readonly TensorUse _offsets;
    private float* _rate; // [heads], below 0
    private float* _skip; // [heads]
    private float* _offset; // [heads]

    /// <param name="entry">Index of the cache's entry.</param>
    /// <param name="rates">[heads] what a step's width is multiplied by, below 0.</param>
    /// <param name="skips">[heads] how much of x is added to the result.</param>
    /// <param name="offsets">[heads] what is added to the steps' widths.</param>
    public SelectiveScanStep(SelectiveScanSpec scan, int entry, TensorUse rates, TensorUse skips, TensorUse offsets, Operand mixed,
        Operand steps, Operand to)
        : base(entry, scan.Heads)
    {
        (_scan, _rates, _skips, _offsets, Mixed, Steps, To) = (scan, rates, skips, offsets, mixed, steps, to);
    }

    /// <summary>x, B and C, after the convolution.</summary>
    public Operand Mixed { get; }

    /// <summary>[heads] the width of a step, before softplus.</summary>
    public Operand Steps { get; }

    public Operand To { get; }

    public override IEnumerable<TensorUse> Tensors => [_offsets, _rates, _skips];

    public override IEnumerable<Operand> Inputs => [Mixed, Steps];

    public override IEnumerable<Operand> Outputs => [To];

    /// <summary>Scratch of a thread: a head's x.</summary>
    public static long ScratchBytes(SelectiveScanSpec scan) => 4L * scan.HeadDimension;

    public override void Bind(ModelTensors tensors, int context)
    {
        _rate = tensors.Vector(_rates);
        _skip = tensors.Vector(_skips);
        _offset = tensors.Vector(_offsets);
    }

    protected override void RunPart(int part, in SequencePart tokens, float* before, float* after, int thread)
    {
        int dimension = _scan.HeadDimension, states = _scan.StateSize, group = part / (_scan.Heads / _scan.Groups);
        float* taken = (float*)Pass.ScratchOf(thread);
        nint place = (nint)part * dimension * states;
        if (before != null) before += place;
        after += place;
        for (int t = tokens.First; t < tokens.First + tokens.Tokens; t++, before = after)
        {
            float* mixed = Mixed.Row(t), x = mixed + part * dimension, b = mixed + _scan.Width + group * states,
                c = b + _scan.Groups * states, y = To.Row(t) + part * dimension;
            double step = GatedDeltaStep.SoftPlus(Steps.Row(t)[part] + _offset[part]);
            float decay = (float)Polynomials.Exp(_rate[part] * step), width = (float)step, skip = _skip[part];
            for (int j = 0; j < dimension; j++) taken[j] = x[j] * width;
            Pass.Kernel.Associate(before, after, decay, b, taken, c, y, states, dimension);
            for (int j = 0; j < dimension; j++) y[j] = MathF.FusedMultiplyAdd(skip, x[j], y[j]);
        }
    }
}
