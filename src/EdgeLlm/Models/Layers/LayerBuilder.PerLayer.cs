using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Layers;

/// <summary>
/// Inputs of each layer beside the stream (Gemma 4): a row of an embedding of all layers, and a product of the embedded token.
/// </summary>
internal sealed partial class LayerBuilder
{
    private Operand PerLayerInputs(PerLayerSpec inputs) => _registers.Use("inputs of layers", checked(inputs.Width * _model.Layers.Count));

    /// <summary>From the embedded tokens to the inputs of all layers.</summary>
    private IEnumerable<Step> PerLayerPrologue(PerLayerSpec inputs)
    {
        Operand all = PerLayerInputs(inputs), rows = _registers.Use("rows of layers", all.Width);
        yield return Project(Operation.Embed, _stream, isLast: false, To(TensorRole.PerLayerProjection, null, 0, all));
        yield return new ScaleStep(all, 1 / MathF.Sqrt(_model.Width)) { Of = Operation.Embed };
        yield return new HeadNormStep(inputs.Norm, TensorTable.Use(_model, TensorRole.PerLayerProjectionNorm), all);
        yield return new EmbedStep(TensorTable.Use(_model, TensorRole.PerLayerEmbedding), rows);
        yield return new ScaleStep(rows, MathF.Sqrt(inputs.Width)) { Of = Operation.Embed };
        yield return new AddStep(all, rows);
        yield return new ScaleStep(all, 1 / MathF.Sqrt(2)) { Of = Operation.Embed };
    }

    /// <summary>Steps that add a layer's own input to the stream.</summary>
    private IEnumerable<Step> PerLayer(int l, LayerSpec layer, PerLayerSpec inputs)
    {
        Operand gate = _registers.Use("gate of a layer's input", inputs.Width);
        yield return Project(Operation.GateUp, _stream, isLast: false, To(TensorRole.PerLayerGate, null, l, gate));
        yield return new PerLayerGateStep(layer.FeedForward.Activation, gate, PerLayerInputs(inputs), l);
        yield return Project(Operation.Down, gate, isLast: false, To(TensorRole.PerLayerOutput, null, l, _normed));
        yield return new NormStep(inputs.Norm, Use(TensorRole.PerLayerNorm, l), null, _normed, _normed);
        yield return new AddStep(_stream, _normed);
    }
}
