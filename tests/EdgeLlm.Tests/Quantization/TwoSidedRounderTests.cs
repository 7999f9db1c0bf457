using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Rounding;

namespace EdgeLlm.Tests.Quantization;

/// <summary>Rounding of a matrix under curvatures of its inputs and its outputs.</summary>
public sealed class TwoSidedRounderTests
{
    [Theory]
    [InlineData(96, 64, "e4g32")]
    [InlineData(53, 96, "e4g16")] // no whole group of rows, nor of a block
    [InlineData(53, 96, "e5g32")]
    [InlineData(53, 96, "e3g32")]
    public void The_packed_bytes_are_what_was_rounded_and_cost_what_it_says(int rows, int columns, string kind)
    {
        Packing packing = PackedTensor.PackingOf(kind);
        (float[] weights, float[] left, float[] right) = Problem(rows, columns);
        (double cost, PackedMatrix packed) = Round(weights, rows, packing, left, right, sweeps: 2);
        float[] result = new float[weights.Length];
        packed.ToFloat(result);
        Assert.Equal(cost, Cost(weights, result, rows, columns, left, right), 1e-3 * cost);
    }

    [Fact]
    public void Every_part_of_it_lowers_the_cost()
    {
        const int Rows = 96, Columns = 128;
        (float[] weights, float[] left, float[] right) = Problem(Rows, Columns);
        float[] plain = new float[weights.Length], oneSided = new float[weights.Length];
        MatrixQuantizer.Plain("w", weights, Rows, new PackedLayout(Packing.E4Group32, Columns)).ToFloat(plain);
        Round(weights, Rows, Packing.E4Group32, null, right, sweeps: 0).Packed.ToFloat(oneSided);
        double ofPlain = Cost(weights, plain, Rows, Columns, left, right), ofInputs = Cost(weights, oneSided, Rows, Columns, left, right);
        double ofBoth = Round(weights, Rows, Packing.E4Group32, left, right, sweeps: 0).Cost,
            descended = Round(weights, Rows, Packing.E4Group32, left, right, sweeps: 2).Cost;
        Assert.InRange(ofInputs / ofPlain, 0, 0.95);
        Assert.InRange(ofBoth / ofInputs, 0, 0.95);
        Assert.InRange(descended / ofBoth, 0, 0.99);
    }

    [Fact]
    public void A_rotated_matrix_costs_what_it_says_of_rotated_inputs()
    {
        const int Rows = 40, Columns = 64;
        (float[] weights, float[] left, float[] right) = Problem(Rows, Columns);
        for (int r = 0; r < Rows; r++) weights[r * Columns + 5] *= 20; // a column that stands out
        var plainLayout = new PackedLayout(Packing.E4Group32, Columns);
        PackedLayout layout = plainLayout with { IsRotated = true };
        float[] rotated = [.. right], result = new float[weights.Length], plain = new float[weights.Length];
        Curvature.Rotate(rotated, Columns);
        var inputs = new Curvature(rotated, Columns, 0.01);
        PackedMatrix packed = MatrixQuantizer.ByFeedback("w", weights, Rows, layout, inputs, sweeps: 1, CancellationToken.None);
        Assert.True(packed.Tensor.IsRotated);
        packed.ToFloat(result);
        MatrixQuantizer.ByFeedback("w", weights, Rows, plainLayout, new Curvature([.. right], Columns, 0.01), sweeps: 1,
            CancellationToken.None).ToFloat(plain);
        Assert.InRange(Cost(weights, result, Rows, Columns, left, right), 0, 0.9 * Cost(weights, plain, Rows, Columns, left, right));
    }

    [Fact]
    public void Rows_of_zeros_and_dead_inputs_stay_finite()
    {
        (float[] weights, _, float[] right) = Problem(16, 64);
        weights.AsSpan(3 * 64, 64).Clear();
        for (int k = 0; k < 64; k++) right[5 * 64 + k] = right[k * 64 + 5] = 0;
        float[] result = new float[weights.Length];
        // with outputs it would make up for other rows
        Round(weights, 16, Packing.E4Group32, left: null, right, sweeps: 2).Packed.ToFloat(result);
        Assert.All(result, x => Assert.True(float.IsFinite(x)));
        Assert.All(result[(3 * 64)..(4 * 64)], x => Assert.Equal(0, x));
    }

    private static (double Cost, PackedMatrix Packed) Round(float[] weights, int rows, Packing packing, float[]? left,
        float[] right, int sweeps)
    {
        int columns = weights.Length / rows;
        var layout = new PackedLayout(packing, columns);
        float[] importance = [.. Enumerable.Range(0, columns).Select(k => right[k * columns + k])];
        float[] stored = [.. right];
        if (packing == Packing.E3Group32) (importance, stored) = (Ordered(importance), Ordered(stored, columns));
        (Codebook codebook, RingCodebook? rings) = MatrixQuantizer.LearnTable(weights, rows, weights.Length, layout, importance);
        var rounder = new TwoSidedRounder(layout, codebook, new Curvature(stored, columns, 0.01),
            left is null ? null : new Curvature((float[])left.Clone(), rows, 0.01),
            new ColumnImportance(importance, layout.ScaleColumns), rings);
        PackedMatrix packed = rounder.Round("w", weights, rows, sweeps, CancellationToken.None);
        return (rounder.Cost(), packed);
    }

    private static float[] Ordered(float[] row)
    {
        RingCodebook.Order(row);
        return row;
    }

    private static float[] Ordered(float[] moments, int size)
    {
        Curvature.Order(moments, size);
        return moments;
    }

    [Theory]
    [InlineData("e3g32")]
    [InlineData("e5g32")]
    public void Feedback_and_descent_lower_the_cost_of_other_forms_too(string kind)
    {
        const int Rows = 64, Columns = 128;
        Packing packing = PackedTensor.PackingOf(kind);
        (float[] weights, float[] left, float[] right) = Problem(Rows, Columns);
        float[] plain = new float[weights.Length];
        MatrixQuantizer.Plain("w", weights, Rows, new PackedLayout(packing, Columns)).ToFloat(plain);
        double ofPlain = Cost(weights, plain, Rows, Columns, left, right),
            rounded = Round(weights, Rows, packing, left, right, sweeps: 0).Cost,
            descended = Round(weights, Rows, packing, left, right, sweeps: 1).Cost;
        Assert.InRange(rounded / ofPlain, 0, 0.8);
        Assert.InRange(descended / rounded, 0, 0.99);
    }

    /// <summary>Weights, and second moments of correlated outputs and inputs.</summary>
    private static (float[] Weights, float[] Left, float[] Right) Problem(int rows, int columns)
    {
        var random = new Random(7);
        return ([.. Enumerable.Range(0, rows * columns).Select(_ => Normal())], Moments(rows), Moments(columns));

        float Normal() => (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));

        float[] Moments(int size)
        {
            float[] sum = new float[size * size];
            for (int sample = 0; sample < 3 * size; sample++)
            {
                float shared = 2 * Normal();
                float[] x = [.. Enumerable.Range(0, size).Select(k => Normal() + shared * (1 + k % 3))];
                for (int i = 0; i < size * size; i++) sum[i] += x[i / size] * x[i % size] / (3 * size);
            }
            return sum;
        }
    }

    private static double Cost(float[] weights, float[] rounded, int rows, int columns, float[] left, float[] right)
    {
        double[] errors = [.. weights.Zip(rounded, (a, b) => (double)a - b)];
        double meanLeft = Enumerable.Range(0, rows).Average(r => left[r * rows + r]),
            meanRight = Enumerable.Range(0, columns).Average(k => right[k * columns + k]), sum = 0;
        double[] product = new double[errors.Length];
        for (int r = 0; r < rows; r++)
        {
            for (int q = 0; q < rows; q++)
            {
                double h = left[r * rows + q] + (r == q ? 0.01 * meanLeft : 0);
                for (int k = 0; k < columns; k++) product[r * columns + k] += h * errors[q * columns + k];
            }
        }
        for (int r = 0; r < rows; r++)
        {
            for (int k = 0; k < columns; k++)
            {
                for (int j = 0; j < columns; j++)
                    sum += product[r * columns + j] * (right[j * columns + k] + (j == k ? 0.01 * meanRight : 0)) * errors[r * columns + k];
            }
        }
        return sum;
    }
}
