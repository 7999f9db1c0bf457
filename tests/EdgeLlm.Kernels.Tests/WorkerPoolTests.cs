using EdgeLlm.Kernels.Threading;

namespace EdgeLlm.Kernels.Tests;

public sealed class WorkerPoolTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Every_chunk_runs_exactly_once_in_every_job(int threads)
    {
        using var pool = new WorkerPool(threads);
        int[] counts = new int[97];
        Action<int, int> job = (chunk, thread) =>
        {
            Assert.InRange(thread, 0, threads - 1);
            Interlocked.Increment(ref counts[chunk]);
        };
        for (int round = 0; round < 20_000; round++) pool.Run(round % 97 + 1, job);
        int[] expected = new int[97];
        for (int round = 0; round < 20_000; round++)
        {
            for (int c = 0; c <= round % 97; c++) expected[c]++;
        }
        Assert.Equal(expected, counts);
    }

    [Fact]
    public void Only_active_workers_work_and_the_others_come_back()
    {
        using var pool = new WorkerPool(4);
        for (int round = 0; round < 200; round++)
        {
            int active = 1 + round % 4, total = 0;
            pool.Active = active;
            pool.Run(3, (_, _) => Interlocked.Increment(ref total)); // who was awake may still take part in the first job
            pool.Run(16, (_, _) => Interlocked.Increment(ref total));
            Assert.Equal(19, total);
        }
        pool.Active = 2;
        Thread.Sleep(20);
        for (int round = 0; round < 100; round++) pool.Run(16, (_, thread) => Assert.InRange(thread, 0, 1));
    }

    [Fact]
    public void Parked_workers_wake_up_for_the_next_job()
    {
        using var pool = new WorkerPool(3);
        int total = 0;
        for (int round = 0; round < 20; round++)
        {
            pool.Run(8, (_, _) => Interlocked.Increment(ref total));
            Thread.Sleep(3);
        }
        Assert.Equal(160, total);
    }

    [Fact]
    public void A_failure_in_a_worker_reaches_the_caller_and_the_pool_goes_on()
    {
        using var pool = new WorkerPool(2);
        var failure = Assert.Throws<InvalidOperationException>(() => pool.Run(10, (chunk, _) =>
        {
            if (chunk == 7) throw new ArgumentException("chunk 7");
        }));
        Assert.Contains("chunk 7", failure.Message);
        int total = 0;
        pool.Run(10, (_, _) => Interlocked.Increment(ref total));
        Assert.Equal(10, total);
    }

    [Fact]
    public void A_job_allocates_nothing()
    {
        using var pool = new WorkerPool(2);
        Action<int, int> job = (_, _) => { };
        pool.Run(4, job);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) pool.Run(4, job);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
