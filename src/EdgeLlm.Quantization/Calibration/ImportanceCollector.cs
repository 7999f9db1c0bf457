namespace EdgeLlm.Quantization.Calibration;

/// <summary>Runs a model on a calibration text, layer by layer in floats, and sums up the squares of what goes into each matrix of its layers.</summary>
internal sealed class ImportanceCollector
{
    private readonly SourceModel _source;
    private readonly CalibrationText _text;
    private readonly int _batchWindows;
    private readonly LayerPass _pass;
    private readonly float[] _stream; // the residual stream of all tokens: [tokens, embedding]

    public ImportanceCollector(SourceModel source, CalibrationText text)
    {
        (_source, _text) = (source, text);
        _batchWindows = LayerPass.BatchWindows(source.Config, text.Length);
        int batch = Math.Min(_batchWindows, text.Count) * text.Length;
        _pass = new LayerPass(source.Config, new LayerOperations(source.Config, source.RopeDivisors, text.Length), batch, new LayerScratch(source.Config, batch));
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
            var sums = new Dictionary<LinearMap, double[]>();
            for (int window = 0; window < _text.Count; window += _batchWindows)
            {
                cancellation.ThrowIfCancellationRequested();
                progress((l + window / (double)_text.Count) / _source.Config.BlockCount);
                int tokens = Math.Min(_batchWindows, _text.Count - window) * _text.Length;
                _pass.Forward(layer, _stream, window * _text.Length * _source.Config.EmbeddingLength, tokens, (map, x) => AddSquares(x.AsSpan(0, tokens * map.Columns), SumsOf(map)));
            }
            LinearMap[][] sharing = [[layer.Query, layer.Key, layer.Value], [layer.AttentionOutput], [layer.Gate, layer.Up], [layer.Down]];
            foreach (LinearMap[] maps in sharing)
            {
                foreach (LinearMap map in maps) means[map.Name] = [.. sums[maps[0]].Select(sum => (float)(sum / _text.Tokens.Length))];
            }

            double[] SumsOf(LinearMap map)
            {
                if (!sums.TryGetValue(map, out double[]? squares)) sums[map] = squares = new double[map.Columns];
                return squares;
            }
        }
        progress(1);
        return new ImportanceMatrix(dataset, dataset, _text.Count, _text.Length, means);
    }

    /// <summary>sums [columns] += the squares of x [tokens, columns].</summary>
    private static void AddSquares(ReadOnlySpan<float> x, double[] sums)
    {
        for (int start = 0; start < x.Length; start += sums.Length)
        {
            for (int column = 0; column < sums.Length; column++) sums[column] += (double)x[start + column] * x[start + column];
        }
    }
}
