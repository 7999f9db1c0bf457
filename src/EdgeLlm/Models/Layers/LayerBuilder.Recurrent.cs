using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Layers;

/// <summary>Layers that carry a state from token to token.</summary>
internal sealed partial class LayerBuilder
{
    /// <summary>From a normed stream to what a recurrence adds.</summary>
    private IEnumerable<Step> Recurrence(int l, RecurrenceSpec recurrence, Operand from, Operand to) => recurrence switch
    {
        ShortConvolutionSpec convolution => ShortConvolution(l, convolution, from, to),
        GatedDeltaSpec delta => GatedDelta(l, delta, from, to),
        SelectiveScanSpec scan => SelectiveScan(l, scan, from, to),
        _ => throw new ArgumentException("not known", nameof(recurrence)),
    };

    private IEnumerable<Step> ShortConvolution(int l, ShortConvolutionSpec convolution, Operand from, Operand to)
    {
        Operand all = _registers.Use("channels", 3 * convolution.Width);
        Operand before = _registers.Use("gate of inputs", convolution.Width), after = _registers.Use("gate of results", convolution.Width),
            mixed = _registers.Use("mixed channels", convolution.Width);
        yield return Project(Operation.QueryKeyValue, from, isLast: false,
            To(TensorRole.ConvolutionInput, TensorRole.ConvolutionInputBias, l, all));
        yield return new SplitStep(Operation.Recurrence, all, before, after, mixed);
        yield return new ActivateStep(Activation.Identity, mixed, before);
        yield return Convolve(convolution.Taps, false, TensorRole.ShortConvolution, TensorRole.ShortConvolutionBias, l, mixed);
        yield return new ActivateStep(Activation.Identity, mixed, after);
        yield return Project(Operation.AttentionOutput, mixed, isLast: false,
            To(TensorRole.ConvolutionOutput, TensorRole.ConvolutionOutputBias, l, to));
    }

    private IEnumerable<Step> GatedDelta(int l, GatedDeltaSpec delta, Operand from, Operand to)
    {
        Operand mixed = _registers.Use("channels", delta.Channels), gate = _registers.Use("gate of results", delta.ValueWidth),
            attended = _registers.Use("attended", delta.ValueWidth);
        Operand steps = _registers.Use("step widths", delta.ValueHeads), shares = _registers.Use("shares", delta.ValueHeads);
        _registers.UseScratch(GatedDeltaStep.ScratchBytes(delta));
        yield return Project(Operation.QueryKeyValue, from, isLast: false, To(TensorRole.QueryKeyValue, null, l, mixed),
            To(TensorRole.RecurrenceGate, null, l, gate),
            To(TensorRole.RecurrenceStep, null, l, steps), To(TensorRole.RecurrenceShare, null, l, shares));
        yield return Convolve(delta.Taps, delta.Activation == Activation.Silu, TensorRole.RecurrenceConvolution,
            TensorRole.RecurrenceConvolutionBias, l, mixed);
        if (delta.Activation != Activation.Silu) yield return new ActivateStep(delta.Activation, mixed, null);
        yield return new GatedDeltaStep(delta, NewState(delta.StateNumbers), Use(TensorRole.RecurrenceRate, l),
            Use(TensorRole.RecurrenceOffset, l), mixed, steps, shares, attended);
        yield return new HeadNormStep(delta.Norm, Use(TensorRole.RecurrenceNorm, l), attended);
        yield return new ActivateStep(Activation.Silu, gate, attended);
        yield return Project(Operation.AttentionOutput, gate, isLast: false, To(TensorRole.RecurrenceOutput, null, l, to));
    }

    private IEnumerable<Step> SelectiveScan(int l, SelectiveScanSpec scan, Operand from, Operand to)
    {
        Operand all = _registers.Use("inputs of a scan", scan.InputRows), gate = _registers.Use("gate of results", scan.Width),
            mixed = _registers.Use("channels", scan.Channels);
        Operand steps = _registers.Use("step widths", scan.Heads), scanned = _registers.Use("attended", scan.Width);
        _registers.UseScratch(SelectiveScanStep.ScratchBytes(scan));
        yield return Project(Operation.QueryKeyValue, from, isLast: false, To(TensorRole.ScanInput, null, l, all));
        yield return new SplitStep(Operation.Recurrence, all, gate, mixed, steps);
        yield return Convolve(scan.Taps, scan.Activation == Activation.Silu, TensorRole.RecurrenceConvolution,
            TensorRole.RecurrenceConvolutionBias, l, mixed);
        if (scan.Activation != Activation.Silu) yield return new ActivateStep(scan.Activation, mixed, null);
        yield return new SelectiveScanStep(scan, NewState(scan.StateNumbers), Use(TensorRole.RecurrenceRate, l),
            Use(TensorRole.ScanSkip, l), Use(TensorRole.RecurrenceOffset, l), mixed, steps, scanned);
        yield return new ActivateStep(Activation.Silu, gate, scanned);
        yield return new HeadNormStep(scan.Norm, Use(TensorRole.RecurrenceNorm, l), gate);
        yield return Project(Operation.AttentionOutput, gate, isLast: false, To(TensorRole.RecurrenceOutput, null, l, to));
    }

    private ConvolveStep Convolve(int taps, bool hasSilu, TensorRole weights, TensorRole bias, int l, Operand channels)
    {
        int entry = _cache.Count;
        _cache.Add(ConvolveStep.StateOf(taps, channels.Width));
        return new ConvolveStep(taps, hasSilu, Use(weights, l), TensorTable.UseOptional(_model, bias, l), entry, channels);
    }

    private int NewState(int numbers)
    {
        _cache.Add(new StateSpec(numbers));
        return _cache.Count - 1;
    }

    private TensorUse Use(TensorRole role, int l) => TensorTable.Use(_model, role, l);
}
