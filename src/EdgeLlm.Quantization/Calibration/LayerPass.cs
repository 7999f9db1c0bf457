using System.Numerics.Tensors;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>One layer on some windows: forwards, with what is needed to go backwards kept. Arrays are [tokens, width].</summary>
/// <param name="scratch">Passes that do not run at the same time may share it.</param>
internal sealed class LayerPass(ModelConfig config, LayerOperations operations, int mostTokens, LayerScratch scratch)
{
    private const long MostBatchBytes = 64 << 20;

    private readonly float[] _normed = new float[mostTokens * config.EmbeddingLength];
    private readonly float[] _queries = new float[mostTokens * config.QueryWidth];
    private readonly float[] _keys = new float[mostTokens * config.KeyValueWidth];
    private readonly float[] _values = new float[mostTokens * config.KeyValueWidth];
    private readonly float[] _attended = new float[mostTokens * config.QueryWidth];
    private readonly float[] _middle = new float[mostTokens * config.EmbeddingLength];
    private readonly float[] _gate = new float[mostTokens * config.FeedForwardLength];
    private readonly float[] _up = new float[mostTokens * config.FeedForwardLength];
    private readonly float[] _added = new float[mostTokens * config.EmbeddingLength]; // to the residual stream by the feed-forward part

    /// <summary>Memory that a pass takes.</summary>
    public static long ByteCount(ModelConfig config, int tokens) =>
        4L * tokens * (3 * config.EmbeddingLength + 2 * config.QueryWidth + 2 * config.KeyValueWidth + 2 * config.FeedForwardLength);

    /// <summary>Windows, 1 to 4, whose pass at a time does not take too much memory.</summary>
    /// <param name="length">Tokens of a window.</param>
    public static int BatchWindows(ModelConfig config, int length) => (int)Math.Clamp(MostBatchBytes / ByteCount(config, length), 1, 4);

    /// <summary>The residual stream x [tokens, embedding], from an element on, goes through the layer.</summary>
    /// <param name="see">Gets what goes into matrices [tokens, columns], with the first of those that it goes into.</param>
    public void Forward(DecoderLayer layer, float[] x, int start, int tokens, Action<LinearMap, float[]>? see = null)
    {
        int count = tokens * config.EmbeddingLength;
        Span<float> stream = x.AsSpan(start, count);
        operations.Normalize(x, start, layer.AttentionNorm, _normed, tokens);
        see?.Invoke(layer.Query, _normed);
        layer.Query.Apply(_normed, _queries, tokens);
        layer.Key.Apply(_normed, _keys, tokens);
        layer.Value.Apply(_normed, _values, tokens);
        operations.Rotate(_queries, config.HeadCount, tokens);
        operations.Rotate(_keys, config.KeyValueHeadCount, tokens);
        operations.Attend(_queries, _keys, _values, _attended, tokens);
        see?.Invoke(layer.AttentionOutput, _attended);
        layer.AttentionOutput.Apply(_attended, _middle, tokens);
        TensorPrimitives.Add(stream, _middle.AsSpan(0, count), _middle.AsSpan(0, count));

        operations.Normalize(_middle, 0, layer.FeedForwardNorm, _normed, tokens);
        see?.Invoke(layer.Gate, _normed);
        layer.Gate.Apply(_normed, _gate, tokens);
        layer.Up.Apply(_normed, _up, tokens);
        LayerOperations.Activate(_gate, _up, scratch.Active, tokens * config.FeedForwardLength);
        see?.Invoke(layer.Down, scratch.Active);
        layer.Down.Apply(scratch.Active, _added, tokens);
        TensorPrimitives.Add(_middle.AsSpan(0, count), _added.AsSpan(0, count), stream);
    }

    /// <summary>Derivatives by the layer's output become those by its input, right after the forward pass, whose queries and keys are used up.</summary>
    /// <param name="input">What went into the forward pass: [tokens, embedding].</param>
    /// <param name="d">[tokens, embedding]</param>
    public void Backward(DecoderLayer layer, float[] input, float[] d, int tokens, ILayerGradient gradient)
    {
        int count = tokens * config.EmbeddingLength, wide = tokens * config.FeedForwardLength;
        (float[] narrow, float[] dGate, float[] dUp, float[] active) = (scratch.Narrow, scratch.Gate, scratch.Up, scratch.Active);
        LayerOperations.Activate(_gate, _up, active, wide);
        gradient.Add(layer.Down, active, d, _added, tokens);
        layer.Down.ApplyBackward(d, active, tokens, accumulate: false);
        LayerOperations.ActivateBackward(_gate, _up, active, dGate, dUp, wide);
        gradient.Add(layer.Gate, _normed, dGate, _gate, tokens);
        gradient.Add(layer.Up, _normed, dUp, _up, tokens);
        layer.Gate.ApplyBackward(dGate, narrow, tokens, accumulate: false);
        layer.Up.ApplyBackward(dUp, narrow, tokens, accumulate: true);
        operations.NormalizeBackward(_middle, 0, layer.FeedForwardNorm, narrow, d, gradient.FeedForwardNorm, tokens);

        TensorPrimitives.Subtract(_middle.AsSpan(0, count), input.AsSpan(0, count), narrow);
        gradient.Add(layer.AttentionOutput, _attended, d, narrow, tokens);
        (float[] dAttended, float[] dQueries, float[] dKeys, float[] dValues) = (scratch.Attended, scratch.Queries, scratch.Keys, scratch.Values);
        layer.AttentionOutput.ApplyBackward(d, dAttended, tokens, accumulate: false);
        operations.AttendBackward(_queries, _keys, _values, dAttended, dQueries, dKeys, dValues, tokens);
        Unrotate(dQueries, dKeys, tokens);
        Unrotate(_queries, _keys, tokens);
        operations.Normalize(input, 0, layer.AttentionNorm, _normed, tokens);
        gradient.Add(layer.Query, _normed, dQueries, _queries, tokens);
        gradient.Add(layer.Key, _normed, dKeys, _keys, tokens);
        gradient.Add(layer.Value, _normed, dValues, _values, tokens);
        layer.Query.ApplyBackward(dQueries, narrow, tokens, accumulate: false);
        layer.Key.ApplyBackward(dKeys, narrow, tokens, accumulate: true);
        layer.Value.ApplyBackward(dValues, narrow, tokens, accumulate: true);
        operations.NormalizeBackward(input, 0, layer.AttentionNorm, narrow, d, gradient.AttentionNorm, tokens);
    }

    private void Unrotate(float[] queries, float[] keys, int tokens)
    {
        operations.Rotate(queries, config.HeadCount, tokens, backward: true);
        operations.Rotate(keys, config.KeyValueHeadCount, tokens, backward: true);
    }
}
