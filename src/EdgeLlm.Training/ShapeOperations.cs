using System.Numerics.Tensors;
using EdgeLlm.Models.Layers;

namespace EdgeLlm.Training;

/// <summary>The norm of each head of queries or keys.</summary>
internal sealed class HeadNormOperation(HeadNormStep step, LayerValue heads) : LayerOperation(heads)
{
    private readonly int _groups = heads.Width / step.Weight.Columns;

    public override void Forward(LayerPass pass) =>
        pass.Arithmetic.Normalize(step.Norm, pass.Read(heads), pass.Weights[step.Weight], pass.Write(To), pass.Tokens * _groups);

    public override void Backward(LayerPass pass, ILayerGradient gradient)
    {
        float[] dy = pass.TakeGradient(To), dx = pass.GradientOf(heads, out bool isNew);
        if (isNew) Array.Clear(dx);
        pass.Arithmetic.NormalizeBackward(step.Norm, pass.Read(heads), pass.Weights[step.Weight], dy, dx,
            gradient.NormOf(step.Weight), pass.Tokens * _groups);
        pass.Return(dy);
    }
}

/// <summary>y = factor * x.</summary>
internal sealed class ScaleOperation(float factor, LayerValue from) : LayerOperation(from)
{
    public override void Forward(LayerPass pass)
    {
        int count = pass.Tokens * from.Width;
        TensorPrimitives.Multiply(pass.Read(from).Span(count), factor, pass.Write(To).Span(count));
    }

    public override void Backward(LayerPass pass, ILayerGradient gradient)
    {
        int count = pass.Tokens * from.Width;
        float[] dy = pass.TakeGradient(To);
        TensorPrimitives.Multiply(dy.AsSpan(0, count), factor, dy.AsSpan(0, count));
        pass.AddGradient(from, dy);
    }
}

/// <summary>Columns of one matrix's result to a value each.</summary>
internal sealed class SplitOperation(LayerValue from) : LayerOperation(from)
{
    public override void Forward(LayerPass pass)
    {
        FloatRows source = pass.Read(from);
        int first = 0;
        foreach (LayerValue part in Outputs)
        {
            FloatRows target = pass.Write(part);
            for (int t = 0; t < pass.Tokens; t++) source.Row(t, from.Width).Slice(first, part.Width).CopyTo(target.Row(t, part.Width));
            first += part.Width;
        }
    }

    public override void Backward(LayerPass pass, ILayerGradient gradient)
    {
        float[] dx = pass.GradientOf(from, out bool isNew);
        if (!isNew) throw new InvalidOperationException("what is split is read by nothing else");
        int first = 0;
        foreach (LayerValue part in Outputs)
        {
            float[] dy = pass.TakeGradient(part);
            for (int t = 0; t < pass.Tokens; t++) dy.AsSpan(t * part.Width, part.Width).CopyTo(dx.AsSpan(t * from.Width + first));
            pass.Return(dy);
            first += part.Width;
        }
    }
}
