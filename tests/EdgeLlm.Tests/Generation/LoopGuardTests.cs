using EdgeLlm.Generation;

namespace EdgeLlm.Tests.Generation;

public sealed class LoopGuardTests
{
    /// <summary>The last token of the eighth block ends it, where eight blocks are 64 tokens; shorter ones go on until they are.</summary>
    [Theory]
    [InlineData(1, 64)]
    [InlineData(2, 64)]
    [InlineData(3, 72)]
    [InlineData(4, 64)]
    [InlineData(5, 80)]
    [InlineData(7, 112)]
    [InlineData(8, 64)]
    [InlineData(9, 72)]
    [InlineData(31, 248)]
    [InlineData(63, 504)]
    [InlineData(64, 512)]
    public void A_block_eight_times_over_ends_the_answer(int block, int expected)
    {
        foreach (int before in (int[])[0, 1, 5, 64, 100])
        {
            var guard = new LoopGuard();
            for (int i = 0; i < before; i++) Assert.False(guard.Add(10_000 + i));
            int count = 1;
            while (!guard.Add(count % block)) count++;
            Assert.Equal(expected, count);
        }
    }

    [Fact]
    public void A_longer_block_or_one_that_changes_does_not()
    {
        LoopGuard longer = new(), counting = new(), seven = new();
        for (int i = 0; i < 2000; i++)
        {
            Assert.False(longer.Add(i % 65));
            Assert.False(counting.Add(i % 20 == 0 ? 1000 + i : i % 20)); // a list: its number is new in each line
            Assert.False(seven.Add(i % 80 == 79 ? 1000 + i : i % 10)); // seven equal lines and the beginning of an eighth
        }
    }
}
