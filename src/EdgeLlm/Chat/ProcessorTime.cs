using System.Diagnostics;
using System.Runtime.InteropServices;

namespace EdgeLlm.Chat;

/// <summary>Processor time of a thread so far: unlike the time on a clock it does not pass while others have the processor.</summary>
internal static partial class ProcessorTime
{
    private const int ThreadClock = 3; // CLOCK_THREAD_CPUTIME_ID of Linux

    /// <summary>The calling thread's; where the system does not tell it, the time on a clock.</summary>
    public static TimeSpan OfThread() =>
        OperatingSystem.IsLinux() && GetTime(ThreadClock, out Time time) == 0
            ? TimeSpan.FromSeconds(time.Seconds) + TimeSpan.FromMicroseconds(time.Nanoseconds / 1000)
            : Stopwatch.GetElapsedTime(0);

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, out Time time);

    private readonly struct Time
    {
        public readonly nint Seconds;
        public readonly nint Nanoseconds;
    }
}
