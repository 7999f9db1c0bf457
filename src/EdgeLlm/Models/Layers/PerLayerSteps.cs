using System.Runtime.InteropServices;
using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Layers;

/// <summary>Normalizes each head by itself, without weights.</summary>
internal sealed unsafe class PlainHeadNormStep : TokenStep
{
    private readonly float _epsilon;
    private readonly float[] _ones; // [dimension], pinned

    public PlainHeadNormStep(NormSpec norm, int dimension, Operand heads)
    {
        (_epsilon, Heads) = (norm.Epsilon, heads);
        _ones = GC.AllocateArray<float>(dimension, pinned: true);
        Array.Fill(_ones, 1f);
    }

    public Operand Heads { get; }

    public override Operation Operation => Operation.Norm;

    public override IEnumerable<Operand> Inputs => [Heads];

    public override IEnumerable<Operand> Outputs => [Heads];

    protected override void RunToken(int token, int thread)
    {
        float* weights = (float*)Marshal.UnsafeAddrOfPinnedArrayElement(_ones, 0);
        for (float* head = Heads.Row(token), end = head + Heads.Width; head < end; head += _ones.Length)
        {
            if (!Pass.Kernel.RmsNorm(head, weights, head, _ones.Length, _epsilon)) Pass.NoteNotFinite();
        }
    }
}

/// <summary>gate = f(gate) * a layer's part of the inputs of all layers.</summary>
internal sealed unsafe class PerLayerGateStep(Activation activation, Operand gate, Operand inputs, int layer) : TokenStep
{
    public override Operation Operation => Operation.Activation;

    public override IEnumerable<Operand> Inputs => [gate, inputs];

    public override IEnumerable<Operand> Outputs => [gate];

    protected override void RunToken(int token, int thread) =>
        Pass.Kernel.Activate(activation, gate.Row(token), inputs.Row(token) + (nint)layer * gate.Width, gate.Width);
}

/// <summary>Multiplies rows by a number of the file.</summary>
internal sealed unsafe class FileScaleStep(TensorUse scale, Operand rows) : TokenStep
{
    private float _factor;

    public override Operation Operation => Operation.Add;

    public override IEnumerable<TensorUse> Tensors => [scale];

    public override IEnumerable<Operand> Inputs => [rows];

    public override IEnumerable<Operand> Outputs => [rows];

    public override void Bind(ModelTensors tensors, int context) => _factor = *tensors.Vector(scale);

    protected override void RunToken(int token, int thread) => Pass.Kernel.Multiply(rows.Row(token), _factor, rows.Width);
}
