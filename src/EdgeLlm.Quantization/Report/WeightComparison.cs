using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;
using EdgeLlm.Training;

namespace EdgeLlm.Quantization.Report;

/// <summary>How far weights are from what they were, on rows that are spread over each tensor, eight at a time.</summary>
internal static class WeightComparison
{
    private const int GroupRows = PackedLayout.GroupRows;
    private const int GroupsOfATensor = 4;

    /// <summary>Form and error of each tensor of the output.</summary>
    public static List<TensorReport> Tensors(GgufFile source, GgufFile output, CancellationToken cancellation)
    {
        var reports = new TensorReport[output.Tensors.Count];
        Dictionary<string, string> norms = ScalableNorms(source);
        ParallelWork.ForAll(reports.Length, cancellation, i =>
        {
            GgufTensor tensor = output.Tensors[i];
            GgufTensor? origin = source.FindTensor(tensor.Name);
            bool isComparable = origin is not null && (tensor.Packed is not null || origin.TypeName != tensor.TypeName)
                && origin.Columns == tensor.Columns && origin.Rows == tensor.Rows;
            reports[i] = new TensorReport(tensor.Name, TensorTable.LayerOf(tensor.Name), KindOf(tensor.Name), tensor.Rows, tensor.Columns,
                origin?.TypeName ?? "", tensor.TypeName, tensor.ByteCount,
                isComparable
                    ? Relative(Sample(source, origin!, GroupsOfATensor),
                        Unscaled(source, output, tensor.Name, Sample(output, tensor, GroupsOfATensor), norms)) : null);
        });
        return [.. reports];
    }

    /// <summary>Rows of a tensor: at most that number of groups of eight, spread evenly over it.</summary>
    public static float[] Sample(GgufFile file, GgufTensor tensor, int groups)
    {
        int columns = (int)tensor.Columns;
        if (tensor.Rows <= GroupRows * groups) return Read(file, tensor, 0, (int)tensor.Rows);
        long whole = tensor.Rows / GroupRows;
        float[] rows = new float[groups * GroupRows * columns];
        for (long i = 0; i < groups; i++)
            Read(file, tensor, (2 * i + 1) * whole / (2 * groups) * GroupRows, GroupRows).CopyTo(rows, i * GroupRows * columns);
        return rows;
    }

    /// <summary>sum (w - w')^2 / sum w^2.</summary>
    public static double Relative(float[] before, float[] after)
    {
        double error = 0, square = 0;
        for (int k = 0; k < before.Length; k++)
        {
            double difference = (double)before[k] - after[k];
            error += difference * difference;
            square += (double)before[k] * before[k];
        }
        return square > 0 ? error / square : 0;
    }

    /// <summary>Names of matrices whose columns may have been scaled against the weights of a norm, and that norm's.</summary>
    private static Dictionary<string, string> ScalableNorms(GgufFile source)
    {
        var norms = new Dictionary<string, string>();
        foreach (IReadOnlyList<Step> layer in LayerBuilder.Build(ModelLoader.ReadSpec(source)).Layers)
        {
            foreach (ProjectStep project in layer.OfType<ProjectStep>())
            {
                if (LayerProgram.ScalableNorm(layer, project) is not { } norm) continue;
                foreach (Projection projection in project.Projections) norms[projection.Weight.Name] = norm.Weight.Name;
            }
        }
        return norms;
    }

    /// <summary>
    /// Rows of a matrix as they would be after the source's norm: its columns and the norm's weights may have been scaled against each
    /// other.
    /// </summary>
    private static float[] Unscaled(GgufFile source, GgufFile output, string name, float[] rows, Dictionary<string, string> norms)
    {
        if (!norms.TryGetValue(name, out string? norm)) return rows;
        if (source.FindTensor(norm) is not { } before || output.FindTensor(norm) is not { } after || before.Columns != after.Columns)
            return rows;
        float[] given = Read(source, before, 0, 1), now = Read(output, after, 0, 1);
        for (int k = 0; k < rows.Length; k++)
        {
            float factor = now[k % now.Length] / given[k % now.Length];
            if (float.IsFinite(factor)) rows[k] *= factor;
        }
        return rows;
    }

    private static float[] Read(GgufFile file, GgufTensor tensor, long firstRow, int rows)
    {
        float[] weights = new float[rows * tensor.Columns];
        new WeightRows(file, tensor).Read(firstRow, weights);
        return weights;
    }

    /// <summary>blk.3.attn_q.weight is an attn_q.</summary>
    private static string KindOf(string name)
    {
        string[] words = name.Split('.');
        int from = words[0] == "blk" && words.Length > 2 ? 2 : 0, to = words[^1] == "weight" && words.Length > from + 1 ? 1 : 0;
        return string.Join('.', words[from..^to]);
    }
}
