using EdgeLlm.Models;
using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Training;

/// <summary>One write of a register: [tokens, Width] floats.</summary>
/// <param name="index">Its place among the layer's values.</param>
/// <param name="producer">The operation that writes it; null: the layer's input.</param>
internal sealed class LayerValue(int index, int width, LayerOperation? producer)
{
    public int Index => index;

    public int Width => width;

    public LayerOperation? Producer => producer;

    /// <summary>Whether it is computed again when it is needed, instead of being kept for the pass backwards.</summary>
    public bool IsRecomputed { get; set; }

    /// <summary>Whether it is the layer's output, which takes the place of its input.</summary>
    public bool IsOutput { get; set; }

    /// <summary>Whether it has an array of its own. A sum takes the array of what was added.</summary>
    public bool IsKept => producer is not (null or AddOperation) && !IsRecomputed && !IsOutput;
}

/// <summary>
/// A layer's steps as operations in floats on whole windows of tokens. Each write of a register is a value of its own, so that a pass
/// backwards finds what the pass forwards computed.
/// </summary>
internal sealed class LayerProgram
{
    private readonly Dictionary<Register, LayerValue> _current = [];
    private readonly Dictionary<int, (LayerValue Keys, LayerValue Values)> _entries = [];
    private readonly List<LayerValue> _values = [];
    private readonly List<LayerOperation> _operations = [];
    private readonly List<LayerValue> _streams = []; // the residual stream after each operation

    /// <param name="steps">Of one layer.</param>
    /// <param name="stream">The residual stream, which goes in and comes out.</param>
    /// <exception cref="NotSupportedException">There is a kind of step that has no form in floats.</exception>
    public LayerProgram(IEnumerable<Step> steps, Operand stream)
    {
        Input = New(stream, null);
        foreach (Step step in steps)
        {
            if (step is StoreStep store) _entries[store.Entry] = (Of(store.Keys), Of(store.Values));
            if (step is not (StoreStep or NarrowStep)) Add(step); // all tokens are computed, and a window's keys and values are all there
            if (_streams.Count < _operations.Count) _streams.Add(Of(stream));
        }
        Output = Of(stream);
        Output.IsOutput = true;
        foreach (LayerValue value in _values.Where(value => value.Producer is NormOperation or ActivateOperation && !value.IsOutput))
            value.IsRecomputed = ReadersOf(value).All(operation => operation is ProjectOperation);
        Segments = [.. FindSegments()];
    }

    /// <summary>Requires that rows of the embedding precede the layers and one norm follows them.</summary>
    /// <exception cref="NotSupportedException">There is more.</exception>
    public static void RequireFrame(ModelSteps steps)
    {
        Step? other = steps.Prologue.FirstOrDefault(step => step is not (EmbedStep or ScaleStep or AnglesStep))
            ?? steps.Epilogue.FirstOrDefault(step => step is not NormStep)
            ?? steps.Head.FirstOrDefault(step => step is not ProjectStep { Projections: [{ Bias: null }] });
        if (other is not null || steps.Epilogue.Count != 1) throw NoForm(other ?? steps.Epilogue[^1]);
    }

    public IReadOnlyList<LayerOperation> Operations => _operations;

    public IReadOnlyList<LayerValue> Values => _values;

    public LayerValue Input { get; }

    public LayerValue Output { get; }

    /// <summary>
    /// Ranges of operations from one state of the residual stream to the next: after each, nothing but the stream is read.
    /// </summary>
    public IReadOnlyList<(int First, int End)> Segments { get; }

    /// <summary>Floats of a token that a pass takes.</summary>
    public long KeptWidth => _values.Where(value => value.IsKept).Sum(value => (long)value.Width) + Input.Width;

    /// <summary>The residual stream after an operation.</summary>
    public LayerValue StreamAfter(int operation) => _streams[operation];

    public IEnumerable<LayerOperation> ReadersOf(LayerValue value) => _operations.Where(operation => operation.Inputs.Contains(value));

    /// <summary>
    /// The norm whose weights may be divided by factors that the columns of these matrices, its only readers, are multiplied by; else null.
    /// It is done for queries, keys and values alone.
    /// </summary>
    public static NormStep? ScalableNorm(IReadOnlyList<Step> steps, ProjectStep project)
    {
        if (project.Operation != Operation.QueryKeyValue) return null;
        Register register = project.From.Register;
        var norm = steps.TakeWhile(step => step != project)
            .LastOrDefault(step => step.Outputs.Any(output => output.Register == register)) as NormStep;
        if (norm is null || norm.Bias is not null) return null; // a bias would have to be divided, too
        IEnumerable<Step> after = steps.SkipWhile(step => step != norm).Skip(1);
        IEnumerable<Step> readers = after.TakeWhile(step => step.Inputs.Any(input => input.Register == register)
            || !step.Outputs.Any(output => output.Register == register))
            .Where(step => step is not NarrowStep && step.Inputs.Any(input => input.Register == register));
        return readers.All(step => step == project) ? norm : null;
    }

    private LayerValue Of(Operand operand) => _current[operand.Register];

    private void Add(Step step)
    {
        switch (step)
        {
            case NormStep norm:
                if (norm.Norm != new NormSpec(norm.Norm.Epsilon) { IsCentered = norm.Norm.IsCentered, HasBias = norm.Norm.HasBias })
                    throw NoForm(step);
                Append(new NormOperation(norm, Of(norm.From)), norm.To);
                break;
            case ProjectStep project:
                Append(new ProjectOperation(project, Of(project.From)), [.. project.Projections.Select(projection => projection.To)]);
                break;
            case RotateStep { Keys: { } rotated } rotate:
                Append(new RotateOperation(rotate, Of(rotate.Queries), Of(rotated)));
                break;
            case AttendStep attend:
                if (!IsKnown(attend.Attention)) throw NoForm(step);
                (LayerValue keys, LayerValue values) = _entries[attend.Entry];
                Append(new AttendOperation(attend, Of(attend.Queries), keys, values), attend.To);
                break;
            case HeadNormStep norm:
                Append(new HeadNormOperation(norm, Of(norm.Heads)), norm.Heads);
                break;
            case ActivateStep activate:
                Append(new ActivateOperation(activate.Activation, Of(activate.Gate), activate.Up is { } up ? Of(up) : null), activate.Gate);
                break;
            case SplitStep split:
                Append(new SplitOperation(Of(split.From)), [.. split.To]);
                break;
            case ScaleStep scale:
                Append(new ScaleOperation(scale.Factor, Of(scale.Operand)), scale.Operand);
                break;
            case AddStep add:
                Append(new AddOperation(Of(add.To), Of(add.From)), add.To);
                break;
            default:
                throw NoForm(step);
        }
    }

    /// <summary>Whether attention has no property that <see cref="LayerArithmetic"/> would leave out in silence.</summary>
    private static bool IsKnown(AttentionSpec attention) => attention == new AttentionSpec
    {
        Heads = attention.Heads,
        KeyValueHeads = attention.KeyValueHeads,
        Dimension = attention.Dimension,
        Scale = attention.Scale,
        Rope = attention.Rope,
        Window = attention.Window,
        MaxAlibiBias = attention.MaxAlibiBias,
        AlibiFactor = attention.AlibiFactor,
        IsFused = attention.IsFused,
        HasFusedBias = attention.HasFusedBias,
        HeadNorm = attention.HeadNorm, // a step of its own
        IsHeadNormWide = attention.IsHeadNormWide,
        HasQueryBias = attention.HasQueryBias,
        HasKeyBias = attention.HasKeyBias,
        HasValueBias = attention.HasValueBias,
        HasOutputBias = attention.HasOutputBias,
    };

    private static NotSupportedException NoForm(Step step) => new($"{step.GetType().Name} has no form in floats that goes backwards");

    private void Append(LayerOperation operation, params ReadOnlySpan<Operand> outputs)
    {
        _operations.Add(operation);
        foreach (Operand output in outputs) operation.Outputs.Add(New(output, operation));
    }

    private LayerValue New(Operand operand, LayerOperation? producer)
    {
        var value = new LayerValue(_values.Count, operand.Width, producer);
        _values.Add(value);
        _current[operand.Register] = value;
        return value;
    }

    private IEnumerable<(int First, int End)> FindSegments()
    {
        LayerValue start = Input;
        for (int first = 0, end = 1; end <= _operations.Count; end++)
        {
            LayerValue stream = _streams[end - 1];
            int count = end;
            bool isCut = stream != start && _operations.Skip(end).SelectMany(operation => operation.Inputs)
                .All(input => input == stream || input.Producer is { } producer && _operations.IndexOf(producer) >= count);
            if (!isCut && end < _operations.Count) continue;
            yield return (first, end);
            (first, start) = (end, stream);
        }
    }
}
