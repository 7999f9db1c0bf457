using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Adapters;

namespace EdgeLlm.Tests.Models.Adapters;

/// <summary>B of a change, in tiles.</summary>
public sealed unsafe class LowRankTests
{
    [Theory]
    [InlineData(1, 1), InlineData(16, 64), InlineData(64, 96), InlineData(65, 77), InlineData(200, 31)]
    public void Any_rank_and_any_range_of_rows_give_the_chain_of_each_row(int rank, int rows)
    {
        var random = new Random(rank);
        float[] b = [.. Enumerable.Range(0, rows * rank).Select(_ => random.NextSingle() - 0.5f)],
            reduced = [.. Enumerable.Range(0, 2 * rank).Select(_ => random.NextSingle() - 0.5f)];
        using var memory = new AdapterMemory();
        fixed (float* data = b, from = reduced)
        {
            var tensor = new AdapterTensor("test", "b", ElementType.F32, [rows, rank], (nint)data);
            var change = new LowRank(new WeightMatrix((byte*)data, ElementType.F32, rank, rows),
                memory.Tile(tensor, rows, rank, row => row), rows, 1);
            float* sums = stackalloc float[2 * rows];
            foreach ((int first, int end) in new[] { (0, rows), (rows / 3, rows - rows / 5), (rows - 1, rows) })
            {
                change.Expand(from, 2, sums, rows, first, end);
                for (int t = 0; t < 2; t++)
                {
                    for (int row = first; row < end; row++)
                    {
                        float wanted = 0;
                        for (int k = 0; k < rank; k++) wanted = MathF.FusedMultiplyAdd(reduced[t * rank + k], b[row * rank + k], wanted);
                        Assert.Equal(wanted, sums[t * rows + row - first]);
                        Assert.Equal(b[row * rank], change.B(row, 0));
                    }
                }
            }
        }
    }
}
