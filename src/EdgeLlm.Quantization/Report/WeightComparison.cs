using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization.Rounding;
using EdgeLlm.Quantization.Standard;

namespace EdgeLlm.Quantization.Report;

/// <summary>How far weights are from what they were, on rows that are spread over each tensor, eight at a time.</summary>
internal static class WeightComparison
{
    private const int GroupRows = PackedLayout.GroupRows;
    private const int GroupsOfATensor = 4;
    private const long WeightsForAlternatives = 1 << 18;
    private const int LayerMatrices = 7;

    /// <summary>What became of each tensor of the output.</summary>
    public static List<TensorReport> Tensors(GgufFile source, GgufFile output, CancellationToken cancellation)
    {
        var reports = new TensorReport[output.Tensors.Count];
        ParallelWork.ForAll(reports.Length, cancellation, i =>
        {
            GgufTensor tensor = output.Tensors[i];
            GgufTensor? origin = source.FindTensor(tensor.Name);
            bool isComparable = origin is not null && (tensor.Packed is not null || origin.TypeName != tensor.TypeName) && origin.Columns == tensor.Columns && origin.Rows == tensor.Rows;
            reports[i] = new TensorReport(tensor.Name, TensorOrder.LayerOf(tensor.Name), KindOf(tensor.Name), tensor.Rows, tensor.Columns,
                origin?.TypeName ?? "", tensor.TypeName, tensor.ByteCount, isComparable ? Error(source, origin!, output, tensor) : null);
        });
        return [.. reports];
    }

    /// <summary>What other forms would cost in bytes and error, on some hundred thousand weights.</summary>
    /// <param name="overhead">What a file takes beside its tensors.</param>
    public static List<Alternative> Alternatives(GgufFile source, long overhead, CancellationToken cancellation)
    {
        GgufTensor[] matrices = [.. source.Tensors.Where(tensor => tensor.MatrixShape.Count == 2 && tensor.Columns % PackedLayout.BlockColumns == 0 && WeightRows.CanRead(tensor)
            && (TensorOrder.IsLayerMatrix(tensor.Name) || tensor.Name is TensorOrder.Embedding or TensorOrder.Head))];
        long sampled = matrices.Sum(tensor => GroupRows * tensor.Columns);
        int step = (int)Math.Max(1, (sampled + WeightsForAlternatives - 1) / WeightsForAlternatives);
        if (step % LayerMatrices == 0) step++; // so that all kinds come up
        // The embedding is a kind of its own, often with a form of its own: it is always among them.
        GgufTensor[] some = [.. matrices.Where((tensor, index) => index % step == 0 || !TensorOrder.IsLayerMatrix(tensor.Name))];
        var result = new List<Alternative>();
        foreach ((string name, string command, Packing body, Packing embedding) in new[]
        {
            ("E4 g32, E4 embedding", "--group 32 --embedding e4", Packing.E4Group32, Packing.E4Group32), ("E4 g32", "", Packing.E4Group32, Packing.E8Group32),
            ("E4 g16, E4 embedding", "--group 16 --embedding e4", Packing.E4Group16, Packing.E4Group16), ("E4 g16", "--group 16", Packing.E4Group16, Packing.E8Group32),
        })
        {
            var plan = new QuantizationPlan(source, body, embedding);
            result.Add(new Alternative(name, command, plan.OutputBytes + overhead, Error(some, cancellation, (tensor, rows, back) => PackAndBack(plan.PackingOf(tensor.Name), tensor, rows, back))));
        }
        foreach (ElementType type in new[] { ElementType.Q4_0, ElementType.IQ4_NL, ElementType.Q4_K, ElementType.Q8_0, ElementType.F16 })
        {
            var plan = new StandardPlan(source, type, hasImportance: false);
            string name = type == ElementType.Q4_K ? "Q4_K_M" : ElementFormat.Get(type).Name;
            result.Add(new Alternative(name, $"--type {type.ToString().ToLowerInvariant()}", plan.OutputBytes + overhead, Error(some, cancellation, (tensor, rows, back) => EncodeAndBack(plan.TypeOf(tensor), tensor, rows, back))));
        }
        return result;

        double Error(GgufTensor[] tensors, CancellationToken token, Action<GgufTensor, float[], float[]> change)
        {
            double[] errors = new double[tensors.Length];
            ParallelWork.ForAll(tensors.Length, token, i =>
            {
                GgufTensor tensor = tensors[i];
                float[] rows = ReadGroup(source, tensor, tensor.Rows / GroupRows / 2), back = new float[rows.Length];
                change(tensor, rows, back);
                errors[i] = Relative(rows, back) * WeightsFor(tensor);
            });
            return errors.Sum() / tensors.Sum(WeightsFor);
        }

        // A layer's matrix stands for those that were left out, too.
        double WeightsFor(GgufTensor tensor) => (double)tensor.Rows * tensor.Columns * (TensorOrder.IsLayerMatrix(tensor.Name) ? step : 1);
    }

    private static double Error(GgufFile source, GgufTensor origin, GgufFile output, GgufTensor tensor)
    {
        long groups = Math.Max(1, origin.Rows / GroupRows), count = Math.Min(groups, GroupsOfATensor);
        double errors = 0, squares = 0;
        for (long i = 0; i < count; i++)
        {
            long group = (2 * i + 1) * groups / (2 * count);
            (double error, double square) = Sums(ReadGroup(source, origin, group), ReadGroup(output, tensor, group));
            errors += error;
            squares += square;
        }
        return squares > 0 ? errors / squares : 0;
    }

    private static float[] ReadGroup(GgufFile file, GgufTensor tensor, long group)
    {
        long first = group * GroupRows;
        float[] rows = new float[Math.Min(GroupRows, tensor.Rows - first) * tensor.Columns];
        new WeightRows(file, tensor).Read(first, rows);
        return rows;
    }

    private static void PackAndBack(Packing packing, GgufTensor tensor, float[] rows, float[] back)
    {
        if (packing == Packing.None)
        {
            rows.CopyTo(back, 0);
            return;
        }
        PackedMatrix packed = MatrixQuantizer.Plain(tensor.Name, rows, rows.Length / (int)tensor.Columns, new PackedLayout(packing, (int)tensor.Columns));
        packed.GroupToFloat(0, back);
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

    private static double Relative(float[] before, float[] after)
    {
        (double error, double square) = Sums(before, after);
        return square > 0 ? error / square : 0;
    }

    private static (double Error, double Square) Sums(float[] before, float[] after)
    {
        double error = 0, square = 0;
        for (int k = 0; k < before.Length; k++)
        {
            double difference = (double)before[k] - after[k];
            error += difference * difference;
            square += (double)before[k] * before[k];
        }
        return (error, square);
    }

    /// <summary>blk.3.attn_q.weight is an attn_q.</summary>
    private static string KindOf(string name)
    {
        string[] words = name.Split('.');
        int from = words[0] == "blk" && words.Length > 2 ? 2 : 0, to = words[^1] == "weight" && words.Length > from + 1 ? 1 : 0;
        return string.Join('.', words[from..^to]);
    }
}
