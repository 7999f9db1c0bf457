using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Tests.Training;

public sealed class ReductionsTests
{
    [Theory]
    [InlineData(3)]
    [InlineData(64)]
    [InlineData(577)]
    public void Sums_do_not_depend_on_where_in_memory_the_numbers_lie(int length)
    {
        var random = new Random(2);
        float[] x = [.. Enumerable.Range(0, length).Select(_ => random.NextSingle() - 0.3f)],
            y = [.. x.Select(number => number * random.NextSingle())];
        float[] moved = new float[length + 16], movedY = new float[length + 16];
        Assert.Equal(x.Zip(y, (a, b) => (double)a * b).Sum(), Reductions.Dot(x, y), 1e-3);
        Assert.Equal(x.Sum(number => (double)number), Reductions.Sum(x), 1e-3);
        for (int offset = 0; offset < 16; offset++)
        {
            x.CopyTo(moved, offset);
            y.CopyTo(movedY, offset);
            Assert.Equal(Reductions.Sum(x), Reductions.Sum(moved.AsSpan(offset, length)));
            Assert.Equal(Reductions.Dot(x, y), Reductions.Dot(moved.AsSpan(offset, length), movedY.AsSpan(offset, length)));
            Assert.Equal(Reductions.SumOfSquares(x), Reductions.SumOfSquares(moved.AsSpan(offset, length)));
        }
    }
}
