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
    private const int ChunkBits = 22;
    private const int NumberShift = 2 * ChunkBits;
    private const uint ChunkMask = (1 << ChunkBits) - 1;
    private const uint NumberMask = (1 << (64 - NumberShift)) - 1;

    private static readonly long SpinTicks = Stopwatch.Frequency / 10_000; // 100 us

    private readonly Thread[] _workers;
    private readonly object _gate = new(); // a monitor: inactive workers wait for it
    private readonly ManualResetEventSlim _wake = new(false, 0);

    // Job number (20 bits), its chunks (22 bits) and the next of them (22 bits) in one word: a worker that comes late sees a whole job or
    // another, and can't take a chunk that there is not.
    private ulong _ticket;
    private Action<int, int>? _job;
    private volatile int _active;
    private int _completed;
    private int _parked;
    private Exception? _failure;
    private volatile bool _stopping;

    public WorkerPool(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        _active = threads;
        _workers = new Thread[threads - 1];
        for (int i = 0; i < _workers.Length; i++)
        {
            int thread = i + 1;
            _workers[i] = new Thread(() => Work(thread)) { IsBackground = true, Name = $"edgellm {thread}" };
            _workers[i].Start();
        }
    }

    /// <summary>Held by the one caller, where there may be several: those of all models that share the pool.</summary>
    public Lock Turn { get; } = new();

    /// <summary>The caller and its workers.</summary>
    public int Threads => _workers.Length + 1;

    /// <summary>How many of the threads work, from 1 to <see cref="Threads"/>; the others sleep. To be set between jobs.</summary>
    public int Active
    {
        get => _active;
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            if (value == _active) return;
            lock (_gate)
            {
                _active = Math.Min(value, Threads);
                Monitor.PulseAll(_gate);
            }
        }
    }

    /// <summary>
    /// Calls <paramref name="job"/>(chunk, thread) for every chunk in [0, chunks), on all threads, and returns when all are done.
    /// </summary>
    public void Run(int chunks, Action<int, int> job)
    {
        if (_active == 1 || chunks <= 1)
        {
            for (int chunk = 0; chunk < chunks; chunk++) job(chunk, 0);
            return;
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)chunks, ChunkMask);
        _job = job;
        _completed = 0;
        ulong number = (NumberOf(_ticket) + 1) & NumberMask;
        Interlocked.Exchange(ref _ticket,
            number << NumberShift
                | (ulong)chunks << ChunkBits); // a full fence: workers that see the ticket see the job; we see who is parked
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
        lock (_gate) Monitor.PulseAll(_gate);
        _wake.Set();
        foreach (Thread worker in _workers) worker.Join();
        _wake.Dispose();
    }

    private void Work(int thread)
    {
        ulong done = 0;
        while (WaitForJobAfter(done) is { } number)
        {
            if (thread >= _active) SleepUntilActive(thread);
            TakeChunks(number, thread);
            done = number;
        }
    }

    private void SleepUntilActive(int thread)
    {
        lock (_gate)
        {
            while (thread >= _active && !_stopping) Monitor.Wait(_gate);
        }
    }

    private void TakeChunks(ulong number, int thread)
    {
        while (true)
        {
            ulong ticket = Volatile.Read(ref _ticket), chunk = ticket & ChunkMask;
            if (NumberOf(ticket) != number || chunk >= (ticket >> ChunkBits & ChunkMask)) return;
            if (Interlocked.CompareExchange(ref _ticket, ticket + 1, ticket) != ticket) continue;
            try
            {
                _job!((int)chunk, thread);
            }
            catch (Exception exception)
            {
                _failure = exception;
            }
            Interlocked.Increment(ref _completed);
        }
    }

    private static ulong NumberOf(ulong ticket) => ticket >> NumberShift;

    /// <summary>The number of a job other than <paramref name="done"/>, or null when the pool stops.</summary>
    private ulong? WaitForJobAfter(ulong done)
    {
        long start = Stopwatch.GetTimestamp();
        while (!_stopping)
        {
            for (int i = 0; i < 64; i++)
            {
                ulong number = NumberOf(Volatile.Read(ref _ticket));
                if (number != done) return number;
                Pause();
            }
            if (Stopwatch.GetTimestamp() - start > SpinTicks) Park(done);
        }
        return null;
    }

    private void Park(ulong done)
    {
        lock (_gate)
        {
            if (_parked == 0) _wake.Reset();
            Interlocked.Increment(ref _parked); // a full fence: either Run sees us parked, or we see its ticket
        }
        if (NumberOf(Volatile.Read(ref _ticket)) == done && !_stopping) _wake.Wait();
        lock (_gate) _parked--;
    }

    private static void Pause()
    {
        if (X86Base.IsSupported) X86Base.Pause();
        else if (ArmBase.IsSupported) ArmBase.Yield();
    }
}
