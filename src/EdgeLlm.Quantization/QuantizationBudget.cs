using System.Numerics.Tensors;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Spec;
using EdgeLlm.Quantization.Calibration;
using EdgeLlm.Quantization.Rounding;
using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Quantization;

/// <summary>
/// Chooses how each matrix is packed so that all fit a given number of bytes: the change of the source's predictions by a matrix' errors is
/// estimated for each form, and bytes go where they spare the most, step by step.
/// </summary>
internal sealed class QuantizationBudget
{
    private const int WindowLength = 512;
    private const int Windows = 4;

    // Shares of the estimate for rounding to the nearest that are about left after rounding by the loss, of layers and of the head. E8 is
    // rounded to the nearest anyway.
    private const double LayerGain = 0.29, HeadGain = 0.5;

    private const int E5CodebookBytes = 16; // that it is longer in the header than others

    private readonly QuantizationPlan _plan;
    private readonly Packing[] _forms; // by rising size
    private readonly Dictionary<string, double[]> _divergences = []; // of each form

    /// <param name="text">What the sensitivities are measured on; null: the text that comes with the program.</param>
    /// <param name="progress">Receives what is being done and the share of it that is done.</param>
    /// <param name="forms">Some of <see cref="AllForms"/>; null: all.</param>
    public QuantizationBudget(QuantizationPlan plan, string? text, Action<string, double> progress, CancellationToken cancellation,
        IReadOnlySet<Packing>? forms = null)
    {
        _plan = plan;
        _forms = FormsOf(forms);
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
            _divergences[packed[i].Name] = [.. _forms.Select(form =>
            {
                MatrixQuantizer.Plain(packed[i].Name, weights, (int)packed[i].Rows,
                    new PackedLayout(form, (int)packed[i].Columns) { IsRotated = plan.Rotates }).ToFloat(errors);
                TensorPrimitives.Subtract(weights, errors, errors);
                return GainOf(packed[i].Name, form) * sensitivities.Divergence(packed[i].Name, errors);
            })];
            arena.Return(weights, errors);
        }
    }

    /// <summary>The forms that can be chosen, by rising size.</summary>
    public static IReadOnlyList<Packing> AllForms { get; } =
        [Packing.E3Group32, Packing.E4Group32, Packing.E4Group16, Packing.E5Group32, Packing.E8Group32];

    /// <summary>The forms that are chosen from where nobody says which: without E3, whose files are for those who ask for a size.</summary>
    public static IReadOnlySet<Packing> DefaultForms { get; } = AllForms.Where(static form => form != Packing.E3Group32).ToHashSet();

    /// <summary>Whether forms can be chosen for a model: its layers have to have a backward pass.</summary>
    public static bool CanFit(GgufFile file)
    {
        try
        {
            return new SourceModel(file).NoPrograms is null;
        }
        catch (ModelException)
        {
            return false; // an encoder
        }
    }

    /// <summary>
    /// Refuses a number of bytes that can't be reached, before minutes of measuring. The plan has the smallest forms after it.
    /// </summary>
    /// <param name="forms">Some of <see cref="AllForms"/>; null: all.</param>
    /// <exception cref="ModelException">The smallest forms take more.</exception>
    public static void RequireRoom(QuantizationPlan plan, long bytes, IReadOnlySet<Packing>? forms) =>
        RequireRoom(plan, bytes, FormsOf(forms));

    private static void RequireRoom(QuantizationPlan plan, long bytes, Packing[] forms)
    {
        foreach (GgufTensor tensor in plan.Tensors.Where(tensor => plan.PackingOf(tensor.Name) != Packing.None))
            plan.SetPacking(tensor.Name, forms[FirstForm(tensor.Name, forms)]);
        if (plan.OutputBytes > bytes)
            throw new ModelException(plan.File.Path,
                $"takes {plan.OutputBytes / 1e6:F1} MB in its smallest form, more than the {bytes / 1e6:F1} MB that it should");
    }

    /// <summary>Sets the plan's forms so that the tensors take at most that number of bytes.</summary>
    /// <param name="readBytes">Most bytes that a token reads.</param>
    /// <exception cref="ModelException">The smallest forms take more.</exception>
    public void Fit(long bytes, long readBytes = long.MaxValue)
    {
        RequireRoom(_plan, bytes, _forms);
        long left = bytes - _plan.OutputBytes, leftToRead = readBytes - _plan.Tensors.Sum(_plan.ReadBytesOf);
        // A matrix' steps lie on the lower hull of its points (bytes, divergence), so that the best ratio comes first. What does not fit is
        // passed over, and with it the further steps of the same matrix.
        var passedOver = new HashSet<string>();
        foreach ((string name, Packing form, long cost, _) in _divergences.SelectMany(entry => StepsOf(entry.Key, entry.Value))
            .OrderByDescending(step => step.Ratio))
        {
            long toRead = _plan.ReadBytesOf(_plan.Tensors.First(tensor => tensor.Name == name)) > 0 ? cost : 0;
            if (cost > left || toRead > leftToRead) passedOver.Add(name);
            if (passedOver.Contains(name)) continue;
            _plan.SetPacking(name, form);
            left -= cost;
            leftToRead -= toRead;
        }
        _plan.PredictedDivergence = _divergences.Sum(entry => entry.Value[Array.IndexOf(_forms, _plan.PackingOf(entry.Key))]);
    }

    private static Packing[] FormsOf(IReadOnlySet<Packing>? chosen) => [.. AllForms.Where(form => chosen?.Contains(form) ?? true)];

    /// <summary>The smallest form that a matrix may get: keys, values, embedding and head lose too much in three bits.</summary>
    private static int FirstForm(string name, Packing[] forms)
    {
        bool isFragile = !TensorTable.IsLayerMatrix(name) || name.Contains(".attn_k.", StringComparison.Ordinal)
            || name.Contains(".attn_v.", StringComparison.Ordinal);
        return forms[0] == Packing.E3Group32 && isFragile ? Math.Min(1, forms.Length - 1) : 0;
    }

    private double GainOf(string name, Packing form) =>
        form == Packing.E8Group32 || !_plan.Rotates ? 1 : TensorTable.IsLayerMatrix(name) ? LayerGain : HeadGain;

    private IEnumerable<(string Name, Packing Form, long Bytes, double Ratio)> StepsOf(string name, double[] divergences)
    {
        GgufTensor tensor = _plan.Tensors.First(tensor => tensor.Name == name);
        long[] sizes = [.. _forms.Select(form => new PackedLayout(form, (int)tensor.Columns).ByteCount((int)tensor.Rows)
            + (form == Packing.E5Group32 ? E5CodebookBytes : 0))];
        for (int at = FirstForm(name, _forms); at < _forms.Length - 1;)
        {
            int next = Enumerable.Range(at + 1, _forms.Length - at - 1).MaxBy(form => Ratio(at, form));
            if (!(Ratio(at, next) > 0)) yield break;
            yield return (name, _forms[next], sizes[next] - sizes[at], Ratio(at, next));
            at = next;
        }

        double Ratio(int from, int to) => (divergences[from] - divergences[to]) / (sizes[to] - sizes[from]);
    }
}
