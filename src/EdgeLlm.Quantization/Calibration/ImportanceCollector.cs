using EdgeLlm.Models.Layers;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>
/// Runs a model on a calibration text, layer by layer in floats, and sums up the squares of what goes into each matrix of its layers.
/// </summary>
internal sealed class ImportanceCollector(SourceModel source, CalibrationText text)
{
    /// <param name="dataset">What the text is called.</param>
    /// <param name="progress">Receives the share that is done, 0 to 1.</param>
    public ImportanceMatrix Collect(string dataset, Action<double> progress, CancellationToken cancellation)
    {
        int layers = source.LayerCount;
        var sums = new Dictionary<ProjectStep, double[]>(); // [columns]
        float[] stream = new float[text.Tokens.Length * source.Model.Width];
        source.PassLayers(text, stream, (step, x, tokens) => AddSquares(x.Span(tokens * step.From.Width), SumsOf(step)),
            done => progress(done / layers), cancellation);
        var means = new Dictionary<string, float[]>();
        foreach (ProjectStep step in source.Steps.Layers.SelectMany(layer => layer).OfType<ProjectStep>())
        {
            foreach (Projection projection in step.Projections)
                means[projection.Weight.Name] = [.. sums[step].Select(sum => (float)(sum / text.Tokens.Length))];
        }
        return new ImportanceMatrix(dataset, dataset, text.Count, text.Length, means);

        double[] SumsOf(ProjectStep step)
        {
            if (!sums.TryGetValue(step, out double[]? squares)) sums[step] = squares = new double[step.From.Width];
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
