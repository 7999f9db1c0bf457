using System.Numerics.Tensors;
using EdgeLlm.Models;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>Runs a model on a calibration text, layer by layer in floats, and sums up the squares of what goes into each matrix of its layers.</summary>
internal sealed class ImportanceCollector
{
    private const int BatchWindows = 4;

    private readonly SourceModel _source;
    private readonly CalibrationText _text;
    private readonly LayerOperations _operations;
    private readonly float[] _stream; // the residual stream of all tokens: [tokens, embedding]

    public ImportanceCollector(SourceModel source, CalibrationText text)
    {
        (_source, _text) = (source, text);
        _operations = new LayerOperations(source.Config, source.RopeDivisors, text.Length);
        _stream = new float[text.Tokens.Length * source.Config.EmbeddingLength];
        source.Embed(text.Tokens, _stream);
    }

    /// <param name="dataset">What the text is called.</param>
    /// <param name="progress">Gets the share that is done, 0 to 1.</param>
    public ImportanceMatrix Collect(string dataset, Action<double> progress, CancellationToken cancellation)
    {
        var means = new Dictionary<string, float[]>();
        for (int l = 0; l < _source.Config.BlockCount; l++)
        {
            DecoderLayer layer = _source.ReadLayer(l);
            double[] attention = new double[layer.Query.Columns], output = new double[layer.AttentionOutput.Columns];
            double[] feedForward = new double[layer.Gate.Columns], down = new double[layer.Down.Columns];
            for (int window = 0; window < _text.Count; window += BatchWindows)
            {
                cancellation.ThrowIfCancellationRequested();
                progress((l + window / (double)_text.Count) / _source.Config.BlockCount);
                Forward(layer, window * _text.Length, Math.Min(BatchWindows, _text.Count - window) * _text.Length, attention, output, feedForward, down);
            }
            foreach (LinearMap map in new[] { layer.Query, layer.Key, layer.Value }) means[map.Name] = Means(attention);
            means[layer.AttentionOutput.Name] = Means(output);
            foreach (LinearMap map in new[] { layer.Gate, layer.Up }) means[map.Name] = Means(feedForward);
            means[layer.Down.Name] = Means(down);
        }
        progress(1);
        return new ImportanceMatrix(dataset, dataset, _text.Count, _text.Length, means);
    }

    private void Forward(DecoderLayer layer, int firstToken, int tokens, double[] attention, double[] output, double[] feedForward, double[] down)
    {
        ModelConfig config = _source.Config;
        int width = config.EmbeddingLength, start = firstToken * width;
        Span<float> stream = _stream.AsSpan(start, tokens * width);
        float[] normed = new float[tokens * width], added = new float[tokens * width];
        float[] queries = new float[tokens * config.QueryWidth], attended = new float[tokens * config.QueryWidth];
        float[] keys = new float[tokens * config.KeyValueWidth], values = new float[tokens * config.KeyValueWidth];
        _operations.Normalize(_stream, start, layer.AttentionNorm, normed, tokens);
        AddSquares(normed, attention);
        layer.Query.Apply(normed, queries, tokens);
        layer.Key.Apply(normed, keys, tokens);
        layer.Value.Apply(normed, values, tokens);
        _operations.Rotate(queries, config.HeadCount, tokens);
        _operations.Rotate(keys, config.KeyValueHeadCount, tokens);
        _operations.Attend(queries, keys, values, attended, tokens);
        AddSquares(attended, output);
        layer.AttentionOutput.Apply(attended, added, tokens);
        TensorPrimitives.Add(stream, added, stream);

        float[] gate = new float[tokens * config.FeedForwardLength], up = new float[gate.Length], active = new float[gate.Length];
        _operations.Normalize(_stream, start, layer.FeedForwardNorm, normed, tokens);
        AddSquares(normed, feedForward);
        layer.Gate.Apply(normed, gate, tokens);
        layer.Up.Apply(normed, up, tokens);
        LayerOperations.Activate(gate, up, active, active.Length);
        AddSquares(active, down);
        layer.Down.Apply(active, added, tokens);
        TensorPrimitives.Add(stream, added, stream);
    }

    /// <summary>sums [columns] += the squares of x [tokens, columns].</summary>
    private static void AddSquares(float[] x, double[] sums)
    {
        for (int start = 0; start < x.Length; start += sums.Length)
        {
            for (int column = 0; column < sums.Length; column++) sums[column] += (double)x[start + column] * x[start + column];
        }
    }

    private float[] Means(double[] sums) => [.. sums.Select(sum => (float)(sum / _text.Tokens.Length))];
}
