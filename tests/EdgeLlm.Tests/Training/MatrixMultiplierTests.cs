using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Tests.Training;

public sealed class MatrixMultiplierTests
{
    private readonly Random _random = new(3);

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(6, 16, 256)]
    [InlineData(97, 35, 300)]
    [InlineData(200, 130, 7)]
    public void A_product_is_the_sum_of_products_whatever_is_transposed(int rows, int columns, int depth)
    {
        foreach (bool transposeA in new[] { false, true })
        {
            foreach (bool transposeB in new[] { false, true })
            {
                MatrixView a = transposeA ? Random(depth, rows).Transposed : Random(rows, depth);
                MatrixView b = transposeB ? Random(columns, depth).Transposed : Random(depth, columns);
                MatrixView c = Random(rows, columns), before = c with { Data = [.. c.Data] };
                MatrixMultiplier.Multiply(a, b, c, accumulate: true);
                for (int i = 0; i < rows; i++)
                {
                    for (int j = 0; j < columns; j++) Assert.Equal(At(before, i, j) + Dot(a, b, i, j), At(c, i, j), 1e-4 * depth);
                }
            }
        }
    }

    [Fact]
    public void A_symmetric_product_has_its_upper_half()
    {
        MatrixView x = Random(50, 113);
        var c = new MatrixView(new float[113 * 113], 113, 113);
        MatrixMultiplier.Multiply(x.Transposed, x, c, upperOnly: true);
        for (int i = 0; i < 113; i++)
        {
            for (int j = i; j < 113; j++) Assert.Equal(Dot(x.Transposed, x, i, j), At(c, i, j), 1e-3);
        }
    }

    private static double Dot(MatrixView a, MatrixView b, int row, int column) =>
        Enumerable.Range(0, a.Columns).Sum(k => (double)At(a, row, k) * At(b, k, column));

    private static float At(MatrixView m, int row, int column) => m.Data[m.Offset + row * m.RowStride + column * m.ColumnStride];

    private MatrixView Random(int rows, int columns) =>
        new([.. Enumerable.Range(0, rows * columns).Select(_ => _random.NextSingle() - 0.5f)], rows, columns);
}
