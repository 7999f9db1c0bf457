using EdgeLlm.Gguf;
using EdgeLlm.Quantization.Calibration;

namespace EdgeLlm.Quantization.Report;

/// <summary>
/// About what errors of a matrix' weights make of the source's predictions: half the diagonal of their Fisher information times the squared errors
/// (<see cref="SensitivityPass"/>), with the errors taken to be spread over the matrix as its weights are.
/// </summary>
internal sealed class DivergenceEstimate
{
    private readonly Dictionary<string, double> _ofAll = []; // for errors as large as the weights

    /// <param name="text">The windows to run the source on, forwards and backwards.</param>
    /// <param name="progress">Gets the share that is done, 0 to 1.</param>
    public DivergenceEstimate(GgufFile source, CalibrationText text, Action<double> progress, CancellationToken cancellation)
    {
        var model = new SourceModel(source);
        var sensitivities = new SensitivityPass(model);
        sensitivities.Run(text, progress, cancellation);
        foreach (GgufTensor tensor in AlternativeForms.MatricesOf(source))
        {
            cancellation.ThrowIfCancellationRequested();
            _ofAll[tensor.Name] = sensitivities.Divergence(tensor.Name, model.ReadMatrix(tensor.Name));
        }
    }

    /// <summary>About the mean KL divergence, in nats, that these errors of a matrix make.</summary>
    /// <param name="error">sum (w - w')^2 / sum w^2.</param>
    public double Of(string matrix, double error) => _ofAll[matrix] * error;
}
