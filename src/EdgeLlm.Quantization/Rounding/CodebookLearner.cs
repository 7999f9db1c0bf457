using System.Numerics.Tensors;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization.Rounding;

/// <summary>
/// The codebook that suits a matrix under its curvature: rounding some of its rows and solving for the values that these rows ask for take
/// turns.
/// </summary>
internal static class CodebookLearner
{
    private const int Rounds = 4;
    private const int SampleGroups = 16;
    private const int Codes = PackedLayout.FourBitCodes;

    /// <param name="weights">[rows, columns]</param>
    public static LaneCodebook Learn(float[] weights, int rows, PackedLayout layout, Curvature curvature)
    {
        int groups = (rows + PackedLayout.GroupRows - 1) / PackedLayout.GroupRows, samples = Math.Min(groups, SampleGroups),
            columns = layout.Columns;
        float[] sample = new float[samples * PackedLayout.GroupRows * columns];
        for (int i = 0; i < samples; i++)
        {
            int first = (int)((long)i * groups / samples) * PackedLayout.GroupRows, count = Math.Min(PackedLayout.GroupRows, rows - first);
            weights.AsSpan(first * columns, count * columns).CopyTo(sample.AsSpan(i * PackedLayout.GroupRows * columns));
        }
        LaneCodebook current = new(Codebook.Learn(sample, layout.ScaleColumns).Values), best = current;
        double smallest = double.MaxValue;
        for (int round = 0; round < Rounds; round++)
        {
            // Summed in the order of the groups, whichever thread had them: the values must not depend on it.
            var parts = new (double[] A, double[] B, double Cost)[samples];
            Parallel.For(0, samples, i =>
            {
                var group = new RowGroup(layout, curvature, current);
                group.Round(sample.AsSpan(i * PackedLayout.GroupRows * columns, PackedLayout.GroupRows * columns));
                group.Descend(2);
                parts[i] = (new double[Codes * Codes], new double[Codes], group.Cost());
                group.AddCodebookEquations(parts[i].A, parts[i].B);
            });
            double[] a = new double[Codes * Codes], b = new double[Codes];
            double cost = 0;
            foreach ((double[] partA, double[] partB, double partCost) in parts)
            {
                TensorPrimitives.Add<double>(a, partA, a);
                TensorPrimitives.Add<double>(b, partB, b);
                cost += partCost;
            }
            if (cost < smallest) (smallest, best) = (cost, current);
            current = Solve(a, b, current);
        }
        return best;
    }

    /// <summary>Values at the solution, held to the current ones a little, the largest magnitude at its limit.</summary>
    private static LaneCodebook Solve(double[] a, double[] b, LaneCodebook current)
    {
        double mean = 0;
        for (int c = 0; c < Codes; c++) mean += a[c * Codes + c] / Codes;
        for (int c = 0; c < Codes; c++)
        {
            double pull = 1e-3 * mean;
            a[c * Codes + c] += pull;
            b[c] += pull * current.Values[c];
        }
        for (int c = 0; c < Codes; c++)
        {
            for (int r = c + 1; r < Codes; r++)
            {
                double factor = a[r * Codes + c] / a[c * Codes + c];
                for (int k = c; k < Codes; k++) a[r * Codes + k] -= factor * a[c * Codes + k];
                b[r] -= factor * b[c];
            }
        }
        for (int c = Codes - 1; c >= 0; c--)
        {
            for (int k = c + 1; k < Codes; k++) b[c] -= a[c * Codes + k] * b[k];
            b[c] /= a[c * Codes + c];
        }
        double largest = b.Max(Math.Abs);
        sbyte[] values = [.. b.Select(value => (sbyte)Math.Round(value * (PackedLayout.CodebookLimit / largest)))];
        Array.Sort(values);
        return new LaneCodebook(values);
    }
}
