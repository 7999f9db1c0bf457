using System.Diagnostics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Kernels.Threading;

/// <summary>
/// Our own threads: the caller and n - 1 workers take chunks of a job from one counter. Workers spin for a moment after a job, since the
/// next one of a forward pass follows within microseconds, then park. One caller at a time; nothing is allocated per job.
/// </summary>
internal sealed class WorkerPool : IDisposable
{
    private static readonly long SpinTicks = Stopwatch.Frequency / 10_000; // 100 us

    private readonly Thread[] _workers;
    private readonly Lock _gate = new();
    private readonly ManualResetEventSlim _wake = new(false, 0);

    // Job number in the upper half, next chunk in the lower one: a worker that comes late can't take a chunk of a later job.
    private long _ticket;
    private Action<int, int>? _job;
    private int _chunks;
    private int _completed;
    private int _parked;
    private Exception? _failure;
    private volatile bool _stopping;

    public WorkerPool(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        _workers = new Thread[threads - 1];
        for (int i = 0; i < _workers.Length; i++)
        {
            int thread = i + 1;
            _workers[i] = new Thread(() => Work(thread)) { IsBackground = true, Name = $"edgellm {thread}" };
            _workers[i].Start();
        }
    }

    /// <summary>The caller and its workers.</summary>
    public int Threads => _workers.Length + 1;

    /// <summary>Calls <paramref name="job"/>(chunk, thread) for every chunk in [0, chunks), on all threads, and returns when all are done.</summary>
    public void Run(int chunks, Action<int, int> job)
    {
        if (_workers.Length == 0 || chunks <= 1)
        {
            for (int chunk = 0; chunk < chunks; chunk++) job(chunk, 0);
            return;
        }

        _job = job;
        _chunks = chunks;
        _completed = 0;
        long number = (_ticket >> 32) + 1;
        Interlocked.Exchange(ref _ticket, number << 32); // a full fence: workers that see the ticket see the job; we see who is parked
        if (Volatile.Read(ref _parked) > 0) _wake.Set();
        TakeChunks(number, 0);

        for (int spins = 0; Volatile.Read(ref _completed) < chunks; spins++)
        {
            if (spins < 20_000) Pause();
            else Thread.Yield(); // the last worker has lost its core: let it have one
        }
        if (_failure is { } failure)
        {
            _failure = null;
            throw new InvalidOperationException(failure.Message, failure);
        }
    }

    public void Dispose()
    {
        _stopping = true;
        _wake.Set();
        foreach (Thread worker in _workers) worker.Join();
        _wake.Dispose();
    }

    private void Work(int thread)
    {
        long done = 0;
        while (WaitForJobAfter(done) is var number && number >= 0)
        {
            TakeChunks(number, thread);
            done = number;
        }
    }

    private void TakeChunks(long number, int thread)
    {
        while (true)
        {
            long ticket = Volatile.Read(ref _ticket);
            int chunk = (int)ticket;
            if (ticket >> 32 != number || chunk >= _chunks) return;
            if (Interlocked.CompareExchange(ref _ticket, ticket + 1, ticket) != ticket) continue;
            try
            {
                _job!(chunk, thread);
            }
            catch (Exception exception)
            {
                _failure = exception;
            }
            Interlocked.Increment(ref _completed);
        }
    }

    /// <summary>The number of a job later than <paramref name="done"/>, or -1 when the pool stops.</summary>
    private long WaitForJobAfter(long done)
    {
        long start = Stopwatch.GetTimestamp();
        while (!_stopping)
        {
            for (int i = 0; i < 64; i++)
            {
                long number = Volatile.Read(ref _ticket) >> 32;
                if (number != done) return number;
                Pause();
            }
            if (Stopwatch.GetTimestamp() - start > SpinTicks) Park(done);
        }
        return -1;
    }

    private void Park(long done)
    {
        lock (_gate)
        {
            if (_parked == 0) _wake.Reset();
            Interlocked.Increment(ref _parked); // a full fence: either Run sees us parked, or we see its ticket
        }
        if (Volatile.Read(ref _ticket) >> 32 == done && !_stopping) _wake.Wait();
        lock (_gate) _parked--;
    }

    private static void Pause()
    {
        if (X86Base.IsSupported) X86Base.Pause();
        else if (ArmBase.IsSupported) ArmBase.Yield();
    }
}
