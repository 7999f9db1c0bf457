namespace EdgeLlm.Quantization.Calibration;

/// <summary>Runs a model on a calibration text, layer by layer in floats, and sums up the squares of what goes into each matrix of its layers.</summary>
internal sealed class ImportanceCollector(SourceModel source, CalibrationText text)
{
    // Matrices that multiply the same numbers, by the first of them.
    private static readonly string[][] Sharing = [["attn_q", "attn_k", "attn_v"], ["attn_output"], ["ffn_gate", "ffn_up"], ["ffn_down"]];

    /// <param name="dataset">What the text is called.</param>
    /// <param name="progress">Gets the share that is done, 0 to 1.</param>
    public ImportanceMatrix Collect(string dataset, Action<double> progress, CancellationToken cancellation)
    {
        int layers = source.Config.BlockCount;
        var sums = new Dictionary<string, double[]>(); // [columns], of the first matrix
        float[] stream = new float[text.Tokens.Length * source.Config.EmbeddingLength];
        source.PassLayers(text, stream, (map, x, tokens) => AddSquares(x.AsSpan(0, tokens * map.Columns), SumsOf(map)), done => progress(done / layers), cancellation);
        var means = new Dictionary<string, float[]>();
        for (int l = 0; l < layers; l++)
        {
            foreach (string[] parts in Sharing)
            {
                foreach (string part in parts) means[SourceModel.Name(l, part)] = [.. sums[SourceModel.Name(l, parts[0])].Select(sum => (float)(sum / text.Tokens.Length))];
            }
        }
        return new ImportanceMatrix(dataset, dataset, text.Count, text.Length, means);

        double[] SumsOf(LinearMap map)
        {
            if (!sums.TryGetValue(map.Name, out double[]? squares)) sums[map.Name] = squares = new double[map.Columns];
            return squares;
        }
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
