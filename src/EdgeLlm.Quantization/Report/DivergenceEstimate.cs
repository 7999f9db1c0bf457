using EdgeLlm.Gguf;
using EdgeLlm.Quantization.Calibration;

namespace EdgeLlm.Quantization.Report;

/// <summary>
/// Estimated change of the source's predictions by errors of a matrix' weights: half the diagonal of their Fisher information times the
/// squared errors (<see cref="SensitivityPass"/>), with the errors taken to be spread over the matrix as its weights are.
/// </summary>
internal sealed class DivergenceEstimate
{
    private readonly Dictionary<string, double> _ofAll = []; // for errors as large as the weights

    private DivergenceEstimate(GgufFile source, SourceModel model, CalibrationText text, Action<double> progress,
        CancellationToken cancellation)
    {
        StageMemory.Return();
        var sensitivities = new SensitivityPass(model);
        sensitivities.Run(text, progress, cancellation);
        StageMemory.Return();
        foreach (GgufTensor tensor in AlternativeForms.MatricesOf(source))
        {
            cancellation.ThrowIfCancellationRequested();
            _ofAll[tensor.Name] = OfAll(model, tensor, sensitivities);
        }
    }

    /// <summary>Measures it; null where nothing goes backwards through the model's layers.</summary>
    /// <param name="text">The windows to run the source on, forwards and backwards.</param>
    /// <param name="progress">Receives the share that is done, 0 to 1.</param>
    public static DivergenceEstimate? Measure(GgufFile source, CalibrationText text, Action<double> progress,
        CancellationToken cancellation)
    {
        var model = new SourceModel(source);
        return model.NoPrograms is null ? new DivergenceEstimate(source, model, text, progress, cancellation) : null;
    }

    /// <summary>About the mean KL divergence, in nats, that these errors of a matrix make.</summary>
    /// <param name="error">sum (w - w')^2 / sum w^2.</param>
    public double Of(string matrix, double error) => _ofAll[matrix] * error;

    private static double OfAll(SourceModel model, GgufTensor tensor, SensitivityPass sensitivities)
    {
        const int BlockRows = 64;
        int columns = (int)tensor.Columns;
        float[] block = new float[BlockRows * columns];
        double sum = 0;
        for (int first = 0; first < tensor.Rows; first += BlockRows)
        {
            Span<float> rows = block.AsSpan(0, (int)Math.Min(BlockRows, tensor.Rows - first) * columns);
            model.ReadRows(tensor.Name, first, rows);
            sum += sensitivities.Divergence(tensor.Name, rows, first);
        }
        return sum;
    }
}
