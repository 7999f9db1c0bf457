using System.Runtime.InteropServices;

namespace EdgeLlm.Fuzz;

/// <summary>One mutant on its way through a parser: its random choices, its files, and what it has cost since the parser got it.</summary>
/// <param name="seed">What the mutant is made from.</param>
/// <param name="folder">A folder of the child process on a file system in memory, whose files the next case overwrites.</param>
internal sealed partial class FuzzCase(long seed, string folder)
{
    private long _cpu = ThreadCpu();
    private long _allocated = AllocatedNow();

    public Dice Dice { get; } = new(seed);

    /// <summary>Where a case may write.</summary>
    public string Folder { get; } = folder;

    /// <summary>Bytes of the mutant, which its costs are compared with.</summary>
    public long InputBytes { get; private set; }

    /// <summary>Whether the parser has planned and now takes what the plan says: costs count no longer.</summary>
    public bool IsPlanned { get; private set; }

    public string PathOf(string name) => Path.Combine(Folder, name);

    /// <summary>The mutant is made: from here on the costs are the parser's.</summary>
    public void Begin(long inputBytes)
    {
        InputBytes = inputBytes;
        _cpu = ThreadCpu();
        _allocated = AllocatedNow();
    }

    /// <summary>See <see cref="IsPlanned"/>.</summary>
    public void Planned() => IsPlanned = true;

    /// <summary>CPU time in microseconds and bytes allocated, managed or not, since <see cref="Begin"/>, on this thread.</summary>
    public (long CpuMicroseconds, long Allocated) Cost() => (ThreadCpu() - _cpu, AllocatedNow() - _allocated);

    private static long AllocatedNow() => GC.GetAllocatedBytesForCurrentThread() + GuardedMemory.AllocatedByThread;

    /// <summary>Processor time of this thread in microseconds.</summary>
    public static unsafe long ThreadCpu()
    {
        const int ThreadCpuClock = 3; // CLOCK_THREAD_CPUTIME_ID
        long* time = stackalloc long[2];
        return ClockGetTime(ThreadCpuClock, time) == 0 ? time[0] * 1_000_000 + time[1] / 1000
            : throw new InvalidOperationException("no thread clock");
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static unsafe partial int ClockGetTime(int clock, long* time);
}
