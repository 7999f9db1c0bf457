using EdgeLlm.Files;

namespace EdgeLlm.Cli.Machine;

/// <summary>The most memory that this process had so far, as far as Linux tells (/proc/self/status, proc(5)). Bytes.</summary>
internal sealed class ProcessMemory(SystemFiles files)
{
    private const string Status = "/proc/self/status";

    /// <summary>All pages that were resident at once, those of mapped files among them; null elsewhere than on Linux.</summary>
    public long? PeakResident { get; private set; }

    /// <summary>The most that a <see cref="Sample"/> saw of pages without a file; null elsewhere than on Linux.</summary>
    public long? PeakAnonymous { get; private set; }

    public void Sample()
    {
        PeakResident = files.Kilobytes(Status, "VmHWM");
        if (files.Kilobytes(Status, "RssAnon") is { } anonymous) PeakAnonymous = Math.Max(PeakAnonymous ?? 0, anonymous);
    }
}
