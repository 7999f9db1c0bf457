using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization.Rounding;

namespace EdgeLlm.Tests.Quantization;

public sealed class MatrixQuantizerTests
{
    private const int Columns = 96;
    private const int Rows = 21;

    private readonly Random _random = new(7);

    [Fact]
    public void A_curvature_is_the_product_of_its_factors()
    {
        Curvature curvature = Correlated(200);
        for (int r = 0; r < Columns; r++)
        {
            for (int c = 0; c < Columns; c++)
            {
                double sum = 0;
                for (int k = Math.Max(r, c); k < Columns; k++) sum += Factor(r, k) * curvature.Diagonal[k] * Factor(c, k);
                Assert.Equal(curvature.Moments[r * Columns + c], sum, 1e-2);
            }
        }

        double Factor(int r, int k) => r == k ? 1 : curvature.Factor[r * Columns + k];
    }

    [Theory]
    [InlineData(Packing.E4Group32)]
    [InlineData(Packing.E4Group16)]
    internal void Rounding_under_a_curvature_costs_far_less_than_to_the_nearest(Packing packing)
    {
        Curvature curvature = Correlated(200);
        float[] weights = Normal(Rows * Columns);
        PackedMatrix plain = MatrixQuantizer.Plain("w", weights, Rows, new PackedLayout(packing, Columns));
        PackedMatrix once = MatrixQuantizer.Quantize("w", weights, Rows, packing, curvature, 0);
        PackedMatrix best = MatrixQuantizer.Quantize("w", weights, Rows, packing, curvature, 4);
        Assert.InRange(Cost(once, weights, curvature), 0, 0.6 * Cost(plain, weights, curvature));
        Assert.InRange(Cost(best, weights, curvature), 0, Cost(once, weights, curvature));
    }

    [Fact]
    public void Row_factors_are_in_the_bytes_that_are_written()
    {
        PackedMatrix packed = MatrixQuantizer.Plain("w", Normal(Rows * Columns), Rows, new PackedLayout(Packing.E4Group32, Columns));
        float[] before = new float[Rows * Columns], after = new float[Rows * Columns];
        packed.ToFloat(before);
        packed.RowFactors[9] = 2;
        var bytes = new MemoryStream();
        packed.Write(bytes);
        new PackedMatrix(packed.Tensor, bytes.ToArray()).ToFloat(after);
        for (int i = 0; i < before.Length; i++) Assert.Equal(before[i] * (i / Columns == 9 ? 2 : 1), after[i]);
    }

    private static double Cost(PackedMatrix packed, float[] weights, Curvature curvature)
    {
        float[] errors = new float[weights.Length];
        packed.ToFloat(errors);
        for (int i = 0; i < errors.Length; i++) errors[i] = weights[i] - errors[i];
        return curvature.MeanCost(errors, Rows);
    }

    /// <summary>Of inputs that are mixtures of a few directions and some noise.</summary>
    private Curvature Correlated(int samples)
    {
        const int Directions = 12;
        float[] directions = Normal(Directions * Columns), moments = new float[Columns * Columns];
        for (int s = 0; s < samples; s++)
        {
            float[] x = Normal(Columns), shares = Normal(Directions);
            for (int k = 0; k < Columns; k++)
            {
                x[k] *= 0.3f;
                for (int d = 0; d < Directions; d++) x[k] += shares[d] * directions[d * Columns + k];
            }
            for (int r = 0; r < Columns; r++)
            {
                for (int c = 0; c < Columns; c++) moments[r * Columns + c] += x[r] * x[c] / samples;
            }
        }
        return new Curvature(moments, Columns, 0.001);
    }

    private float[] Normal(int count) =>
        [.. Enumerable.Range(0, count)
            .Select(_ => (float)(Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble())))];
}
