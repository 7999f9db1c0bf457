using System.Numerics.Tensors;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization.Calibration;
using EdgeLlm.Quantization.Numerics;
using EdgeLlm.Quantization.Rounding;

namespace EdgeLlm.Quantization;

/// <summary>
/// Chooses how each matrix is packed so that all fit a number of bytes: what a matrix' errors make of the source's predictions is estimated for each
/// form, and bytes go where they spare the most, step by step.
/// </summary>
internal sealed class QuantizationBudget
{
    private const int WindowLength = 512;
    private const int Windows = 4;

    // By rising size. Feedback on a calibration text takes about the same share off the errors of the first two.
    private static readonly Packing[] Forms = [Packing.E4Group32, Packing.E4Group16, Packing.E8Group32];

    private readonly QuantizationPlan _plan;
    private readonly Dictionary<string, double[]> _divergences = []; // of each form

    /// <param name="text">What the sensitivities are measured on; null: the text that comes with the program.</param>
    /// <param name="progress">Gets what is being done and the share of it that is done.</param>
    public QuantizationBudget(QuantizationPlan plan, string? text, Action<string, double> progress, CancellationToken cancellation)
    {
        _plan = plan;
        var source = new SourceModel(plan.File);
        var windows = CalibrationText.Read(plan.File, text, WindowLength, Windows);
        var sensitivities = new SensitivityPass(source);
        sensitivities.Run(windows, share => progress("sensitivities", share / 2), cancellation);
        StageMemory.Return();
        GgufTensor[] packed = [.. plan.Tensors.Where(tensor => plan.PackingOf(tensor.Name) != Packing.None)];
        var arena = new FloatArena();
        for (int i = 0; i < packed.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            progress(packed[i].Name, 0.5 + 0.5 * i / packed.Length);
            float[] weights = source.ReadMatrix(packed[i].Name, arena), errors = arena.Rent(weights.Length);
            _divergences[packed[i].Name] = [.. Forms.Select(form =>
            {
                MatrixQuantizer.Plain(packed[i].Name, weights, (int)packed[i].Rows, new PackedLayout(form, (int)packed[i].Columns)).ToFloat(errors);
                TensorPrimitives.Subtract(weights, errors, errors);
                return sensitivities.Divergence(packed[i].Name, errors);
            })];
            arena.Return(weights, errors);
        }
    }

    /// <summary>Sets the plan's forms so that the tensors take at most so many bytes.</summary>
    /// <exception cref="ModelException">The smallest forms take more.</exception>
    public void Fit(long bytes)
    {
        foreach (string name in _divergences.Keys) _plan.SetPacking(name, Forms[0]);
        if (_plan.OutputBytes > bytes)
            throw new ModelException(_plan.File.Path, $"takes {_plan.OutputBytes / 1e6:F1} MB in its smallest form, more than the {bytes / 1e6:F1} MB that it should");
        long left = bytes - _plan.OutputBytes;
        // A matrix' steps lie on the lower hull of its points (bytes, divergence), so that the best ratio comes first. What does not fit is passed over,
        // and with it the further steps of the same matrix.
        var passedOver = new HashSet<string>();
        foreach ((string name, Packing form, long cost, _) in _divergences.SelectMany(entry => StepsOf(entry.Key, entry.Value)).OrderByDescending(step => step.Ratio))
        {
            if (cost > left) passedOver.Add(name);
            if (passedOver.Contains(name)) continue;
            _plan.SetPacking(name, form);
            left -= cost;
        }
    }

    private IEnumerable<(string Name, Packing Form, long Bytes, double Ratio)> StepsOf(string name, double[] divergences)
    {
        GgufTensor tensor = _plan.Tensors.First(tensor => tensor.Name == name);
        long[] sizes = [.. Forms.Select(form => new PackedLayout(form, (int)tensor.Columns).ByteCount((int)tensor.Rows))];
        for (int at = 0; at < Forms.Length - 1;)
        {
            int next = Enumerable.Range(at + 1, Forms.Length - at - 1).MaxBy(form => Ratio(at, form));
            if (!(Ratio(at, next) > 0)) yield break;
            yield return (name, Forms[next], sizes[next] - sizes[at], Ratio(at, next));
            at = next;
        }

        double Ratio(int from, int to) => (divergences[from] - divergences[to]) / (sizes[to] - sizes[from]);
    }
}
