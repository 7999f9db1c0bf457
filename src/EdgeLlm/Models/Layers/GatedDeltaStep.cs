using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Layers;

/// <summary>The gated delta rule of each value head.</summary>
internal sealed unsafe class GatedDeltaStep : RecurrentStep
{
    private const float Epsilon = 1e-6f; // of the queries' and keys' lengths, in every reference

    private readonly GatedDeltaSpec _delta;
    private readonly TensorUse _rates;
    private readonly TensorUse _offsets;
    private readonly float[] _ones; // [keys] 1 / sqrt(keys), pinned: a root mean square norm with it makes a vector of length 1
    private readonly float[] _queryScale; // [keys] 1 / keys, pinned: and divides it by sqrt(keys)
    private float* _rate; // [heads], below 0
    private float* _offset; // [heads]

    /// <param name="entry">Index of the cache's entry.</param>
    /// <param name="rates">[heads] what a step's width is multiplied by, below 0.</param>
    /// <param name="offsets">[heads] what is added to the steps' widths.</param>
    public GatedDeltaStep(GatedDeltaSpec delta, int entry, TensorUse rates, TensorUse offsets, Operand mixed, Operand steps,
        Operand shares, Operand to)
        : base(entry, delta.ValueHeads)
    {
        (_delta, _rates, _offsets, Mixed, Steps, Shares, To) = (delta, rates, offsets, mixed, steps, shares, to);
        _ones = GC.AllocateArray<float>(delta.KeyDimension, pinned: true);
        _queryScale = GC.AllocateArray<float>(delta.KeyDimension, pinned: true);
        Array.Fill(_ones, 1 / MathF.Sqrt(delta.KeyDimension));
        Array.Fill(_queryScale, 1f / delta.KeyDimension);
    }

    /// <summary>Queries, keys and values, after the convolution.</summary>
    public Operand Mixed { get; }

    /// <summary>[heads] the width of a step, before softplus.</summary>
    public Operand Steps { get; }

    /// <summary>[heads] how much of the difference is taken up, before the logistic function.</summary>
    public Operand Shares { get; }

    public Operand To { get; }

    public override IEnumerable<TensorUse> Tensors => [_offsets, _rates];

    public override IEnumerable<Operand> Inputs => [Mixed, Steps, Shares];

    public override IEnumerable<Operand> Outputs => [To];

    /// <summary>Scratch of a thread: a query, a key, a value.</summary>
    public static long ScratchBytes(GatedDeltaSpec delta) => 4L * (2 * delta.KeyDimension + delta.ValueDimension);

    public override void Bind(ModelTensors tensors, int context)
    {
        _rate = tensors.Vector(_rates);
        _offset = tensors.Vector(_offsets);
    }

    protected override void RunPart(int part, in SequencePart tokens, float* before, float* after, int thread)
    {
        int keys = _delta.KeyDimension, values = _delta.ValueDimension, keyHead = part % _delta.KeyHeads;
        float* query = (float*)Pass.ScratchOf(thread), key = query + keys, change = key + keys;
        nint place = (nint)part * keys * values;
        if (before != null) before += place;
        after += place;
        fixed (float* ones = _ones, queryScale = _queryScale)
        {
            for (int t = tokens.First; t < tokens.First + tokens.Tokens; t++, before = after)
            {
                float* mixed = Mixed.Row(t), value = mixed + 2 * _delta.KeyWidth + part * values;
                bool isFinite = Pass.Kernel.RmsNorm(mixed + keyHead * keys, queryScale, query, keys, Epsilon / keys)
                    & Pass.Kernel.RmsNorm(mixed + _delta.KeyWidth + keyHead * keys, ones, key, keys, Epsilon / keys);
                if (!isFinite)
                {
                    Pass.NoteNotFinite();
                    return;
                }
                float decay = (float)Polynomials.Exp(_rate[part] * SoftPlus(Steps.Row(t)[part] + _offset[part]));
                float share = (float)(1 / (1 + Polynomials.Exp(-(double)Shares.Row(t)[part])));
                if (before == null)
                {
                    for (int j = 0; j < values; j++) change[j] = value[j] * share;
                }
                else
                {
                    Pass.Kernel.Recall(before, key, change, keys, values);
                    for (int j = 0; j < values; j++) change[j] = (value[j] - change[j] * decay) * share;
                }
                Pass.Kernel.Associate(before, after, decay, key, change, query, To.Row(t) + part * values, keys, values);
            }
        }
    }

    /// <summary>ln(1 + e^x).</summary>
    internal static double SoftPlus(double x) => x > 30 ? x : Polynomials.Log(1 + Polynomials.Exp(x));
}
