using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Spec;
using EdgeLlm.Quantization.Rounding;
using EdgeLlm.Quantization.Standard;

namespace EdgeLlm.Quantization.Report;

/// <summary>Another form that the model could have, and what it costs.</summary>
/// <param name="Bytes">Of the file.</param>
/// <param name="Error">sum (w - w')^2 / sum w^2 over some rows of the matrices, rounded to the nearest.</param>
/// <param name="Divergence">About the mean KL divergence from the source that this makes, in nats; null where it was not estimated.</param>
/// <param name="Command">What makes it, without the file names.</param>
internal sealed record Alternative(string Name, string Command, long Bytes, double Error, double? Divergence);

/// <summary>
/// Other forms that a model could have, and what each would cost in bytes and quality, by rounding some rows of each matrix to the nearest.
/// </summary>
internal static class AlternativeForms
{
    // Errors of layers' matrices are many to average over; embedding and head stand alone.
    private const int GroupsOfALayerMatrix = 1;
    private const int GroupsOfOthers = 8;

    private static readonly (string Name, string Command, Packing Body, Packing Embedding)[] PackedForms =
    [
        ("E4 g32, E4 embedding", "--group 32 --embedding e4", Packing.E4Group32, Packing.E4Group32),
        ("E4 g32", "", Packing.E4Group32, Packing.E8Group32),
        ("E4 g16, E4 embedding", "--group 16 --embedding e4", Packing.E4Group16, Packing.E4Group16),
        ("E4 g16", "--group 16", Packing.E4Group16, Packing.E8Group32),
    ];

    private static readonly ElementType[] StandardTypes =
        [ElementType.Q4_0, ElementType.IQ4_NL, ElementType.Q4_K, ElementType.Q8_0, ElementType.F16];

    /// <summary>The matrices whose form differs.</summary>
    public static GgufTensor[] MatricesOf(GgufFile source) => [.. source.Tensors.Where(QuantizationPlan.CanPack)];

    /// <param name="overhead">What a file takes beside its tensors.</param>
    /// <param name="divergences">Change of predictions by errors; null: errors are only measured as such.</param>
    public static List<Alternative> Of(GgufFile source, long overhead, DivergenceEstimate? divergences, CancellationToken cancellation)
    {
        GgufTensor[] matrices = MatricesOf(source);
        float[][] samples = new float[matrices.Length][];
        ParallelWork.ForAll(matrices.Length, cancellation, i =>
            samples[i] = WeightComparison.Sample(source, matrices[i],
                TensorTable.IsLayerMatrix(matrices[i].Name) ? GroupsOfALayerMatrix : GroupsOfOthers));
        var result = new List<Alternative>();
        foreach ((string name, string command, Packing body, Packing embedding) in PackedForms)
        {
            var plan = new QuantizationPlan(source, body, embedding);
            result.Add(Make(name, command, plan, (tensor, rows, back) => PackAndBack(plan.PackingOf(tensor.Name), tensor, rows, back)));
        }
        foreach (ElementType type in StandardTypes)
        {
            var plan = new StandardPlan(source, type, hasImportance: false);
            string name = type == ElementType.Q4_K ? "Q4_K_M" : ElementFormat.Get(type).Name;
            result.Add(Make(name, $"--type {type.ToString().ToLowerInvariant()}", plan,
                (tensor, rows, back) => EncodeAndBack(plan.TypeOf(tensor), tensor, rows, back)));
        }
        return result;

        Alternative Make(string name, string command, TensorPlan plan, Action<GgufTensor, float[], float[]> change)
        {
            double[] errors = new double[matrices.Length];
            ParallelWork.ForAll(matrices.Length, cancellation, i =>
            {
                float[] back = new float[samples[i].Length];
                change(matrices[i], samples[i], back);
                errors[i] = WeightComparison.Relative(samples[i], back);
            });
            double weights = matrices.Sum(tensor => (double)tensor.Rows * tensor.Columns);
            double error = matrices.Zip(errors, static (tensor, error) => error * tensor.Rows * tensor.Columns).Sum() / weights;
            return new Alternative(name, command, plan.OutputBytes + overhead, error,
                divergences is null ? null : matrices.Zip(errors, (tensor, error) => divergences.Of(tensor.Name, error)).Sum());
        }
    }

    private static void PackAndBack(Packing packing, GgufTensor tensor, float[] rows, float[] back)
    {
        int columns = (int)tensor.Columns;
        if (packing == Packing.None) rows.CopyTo(back, 0);
        else MatrixQuantizer.Plain(tensor.Name, rows, rows.Length / columns, new PackedLayout(packing, columns)).ToFloat(back);
    }

    private static void EncodeAndBack(ElementType type, GgufTensor tensor, float[] rows, float[] back)
    {
        int columns = (int)tensor.Columns;
        byte[] bytes = new byte[ElementFormat.ByteCount(type, columns)];
        for (int start = 0; start < rows.Length; start += columns)
        {
            BlockEncoder.Encode(type, rows.AsSpan(start, columns), [], bytes);
            Dequantizer.ToFloat(type, bytes, back.AsSpan(start, columns));
        }
    }
}
