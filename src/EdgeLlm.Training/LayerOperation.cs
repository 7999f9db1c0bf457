using System.Numerics.Tensors;
using EdgeLlm.Kernels;
using EdgeLlm.Models.Layers;
using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Training;

/// <summary>A kind of step in floats, forwards and backwards.</summary>
internal abstract class LayerOperation(params LayerValue[] inputs)
{
    public IReadOnlyList<LayerValue> Inputs { get; } = inputs;

    public List<LayerValue> Outputs { get; } = [];

    /// <summary>Its only output.</summary>
    public LayerValue To => Outputs[0];

    public abstract void Forward(LayerPass pass);

    /// <summary>Turns the derivatives by the outputs into derivatives by the inputs, which are added to.</summary>
    public abstract void Backward(LayerPass pass, ILayerGradient gradient);
}

internal sealed class NormOperation(NormStep step, LayerValue from) : LayerOperation(from)
{
    public NormStep Step => step;

    public override void Forward(LayerPass pass) =>
        pass.Arithmetic.Normalize(step.Norm, pass.Read(from), pass.Weights[step.Weight], pass.Write(To), pass.Tokens,
            pass.Weights.Find(step.Bias));

    public override void Backward(LayerPass pass, ILayerGradient gradient)
    {
        float[] dy = pass.TakeGradient(To), dx = pass.GradientOf(from, out bool isNew);
        if (isNew) Array.Clear(dx);
        pass.Arithmetic.NormalizeBackward(step.Norm, pass.Read(from), pass.Weights[step.Weight], dy, dx,
            gradient.NormOf(step.Weight), pass.Tokens);
        pass.Return(dy);
    }
}

internal sealed class ProjectOperation(ProjectStep step, LayerValue from) : LayerOperation(from)
{
    public ProjectStep Step => step;

    public LayerValue From => from;

    public override void Forward(LayerPass pass)
    {
        FloatRows x = pass.Read(from);
        pass.Observer?.Invoke(step, x);
        for (int i = 0; i < Outputs.Count; i++) Apply(step.Projections[i], pass.Weights, x, pass.Write(Outputs[i]), pass.Tokens);
    }

    /// <summary>y [tokens, rows] = x [tokens, columns] W' + b.</summary>
    public static void Apply(Projection projection, LayerWeights weights, FloatRows x, FloatRows y, int tokens)
    {
        (int rows, int columns) = (projection.Weight.Rows, projection.Weight.Columns);
        var matrix = new MatrixView(weights[projection.Weight], rows, columns);
        MatrixMultiplier.Multiply(x.AsMatrix(tokens, columns), matrix.Transposed, y.AsMatrix(tokens, rows));
        if (weights.Find(projection.Bias) is not { } bias) return;
        for (int t = 0; t < tokens; t++) TensorPrimitives.Add(y.Row(t, rows), bias, y.Row(t, rows));
    }

    public override void Backward(LayerPass pass, ILayerGradient gradient)
    {
        float[] x = pass.Read(from).Data; // from the array's start, as all arrays of a pass backwards
        for (int i = 0; i < Outputs.Count; i++)
        {
            Projection projection = step.Projections[i];
            gradient.Add(projection, pass.Weights.Find(projection.Bias), x, pass.PeekGradient(Outputs[i]),
                pass.Read(Outputs[i]).Data, pass.Tokens);
        }
        float[] dx = pass.GradientOf(from, out bool isNew);
        for (int i = 0; i < Outputs.Count; i++)
        {
            (int rows, int columns) = (step.Projections[i].Weight.Rows, step.Projections[i].Weight.Columns);
            float[] dy = pass.TakeGradient(Outputs[i]);
            MatrixMultiplier.Multiply(new MatrixView(dy, pass.Tokens, rows),
                new MatrixView(pass.Weights[step.Projections[i].Weight], rows, columns),
                new MatrixView(dx, pass.Tokens, columns), accumulate: i > 0 || !isNew);
            pass.Return(dy);
        }
    }
}

/// <summary>Rotates in place; a pass backwards rotates back, so that queries and keys are what the matrices computed again.</summary>
internal sealed class RotateOperation(RotateStep step, LayerValue queries, LayerValue keys) : LayerOperation(queries, keys)
{
    public override void Forward(LayerPass pass)
    {
        pass.Arithmetic.Rotate(step.Attention, pass.Read(queries).Data, step.Attention.Heads, pass.Tokens);
        pass.Arithmetic.Rotate(step.Attention, pass.Read(keys).Data, step.Attention.KeyValueHeads, pass.Tokens);
    }

    public override void Backward(LayerPass pass, ILayerGradient gradient)
    {
        foreach (float[] x in (float[][])[pass.PeekGradient(queries), pass.Read(queries).Data])
            pass.Arithmetic.Rotate(step.Attention, x, step.Attention.Heads, pass.Tokens, backward: true);
        foreach (float[] x in (float[][])[pass.PeekGradient(keys), pass.Read(keys).Data])
            pass.Arithmetic.Rotate(step.Attention, x, step.Attention.KeyValueHeads, pass.Tokens, backward: true);
    }
}

internal sealed class AttendOperation(AttendStep step, LayerValue queries, LayerValue keys, LayerValue values)
    : LayerOperation(queries, keys, values)
{
    public AttendStep Step => step;

    public override void Forward(LayerPass pass) => pass.Arithmetic.Attend(step.Attention, Heads(pass), pass.Write(To).Data, pass.Tokens);

    public override void Backward(LayerPass pass, ILayerGradient gradient)
    {
        float[] dy = pass.TakeGradient(To);
        var d = new AttentionArrays(pass.GradientOf(queries, out _), pass.GradientOf(keys, out _), pass.GradientOf(values, out _));
        pass.Arithmetic.AttendBackward(step.Attention, Heads(pass), dy, d, pass.Tokens);
        pass.Return(dy);
    }

    private AttentionArrays Heads(LayerPass pass) => new(pass.Read(queries).Data, pass.Read(keys).Data, pass.Read(values).Data);
}

internal sealed class ActivateOperation(Activation activation, LayerValue gate, LayerValue? up)
    : LayerOperation(up is null ? [gate] : [gate, up])
{
    public override void Forward(LayerPass pass) =>
        LayerArithmetic.Activate(activation, pass.Read(gate), up is null ? null : pass.Read(up), pass.Write(To), pass.Tokens * gate.Width);

    public override void Backward(LayerPass pass, ILayerGradient gradient)
    {
        float[] dy = pass.TakeGradient(To);
        LayerArithmetic.ActivateBackward(activation, pass.Read(gate), up is null ? null : pass.Read(up), dy, pass.GradientOf(gate, out _),
            up is null ? null : pass.GradientOf(up, out _), pass.Tokens * gate.Width);
        pass.Return(dy);
    }
}

/// <summary>A sum takes the array of its second part; where it is the layer's output, that of the input.</summary>
internal sealed class AddOperation(LayerValue to, LayerValue from) : LayerOperation(to, from)
{
    public LayerValue From => from;

    public override void Forward(LayerPass pass)
    {
        int count = pass.Tokens * from.Width;
        FloatRows target = To.IsOutput ? pass.Write(To) : pass.Read(from);
        TensorPrimitives.Add(pass.Read(to).Span(count), pass.Read(from).Span(count), target.Span(count));
        pass.Place(To, target);
    }

    public override void Backward(LayerPass pass, ILayerGradient gradient)
    {
        int count = pass.Tokens * from.Width;
        float[] dy = pass.TakeGradient(To), dFrom = pass.GradientOf(from, out bool isNew);
        if (isNew) dy.AsSpan(0, count).CopyTo(dFrom);
        else TensorPrimitives.Add(dFrom.AsSpan(0, count), dy.AsSpan(0, count), dFrom.AsSpan(0, count));
        if (!To.IsOutput)
        {
            // Its array has the sum: what was added is the difference.
            FloatRows part = new(pass.Rent(from.Width), 0);
            TensorPrimitives.Subtract(pass.Read(To).Span(count), pass.Read(to).Span(count), part.Span(count));
            pass.Place(from, part);
        }
        pass.AddGradient(to, dy);
    }
}
