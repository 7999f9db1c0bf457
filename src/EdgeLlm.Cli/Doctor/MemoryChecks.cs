using EdgeLlm.Cli.Output;
using EdgeLlm.Files;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Doctor;

/// <summary>Memory, its limits and its pages.</summary>
internal sealed class MemoryChecks(SystemFiles files)
{
    private const long Scarce = 300_000_000;

    public IEnumerable<Check> All()
    {
        yield return Memory(MachineMemory.Total, MachineMemory.Available);
        yield return Check.Ok("page size", $"{Environment.SystemPageSize / 1024} KiB");
        if (!OperatingSystem.IsLinux()) yield break;
        yield return ControlGroups();
        if (HugePages() is { } pages) yield return pages;
        yield return Swap();
    }

    public static Check Memory(long total, long available)
    {
        string value = $"{Quantity.Bytes(total)}, {Quantity.Bytes(available)} of it free";
        return available < Scarce ? Check.Problem("memory", value, "Stop other programs, or take a small model and a small --context")
            : Check.Ok("memory", value);
    }

    /// <summary>Whether limits such as systemd's MemoryMax= do anything: Raspberry Pi OS switches them off by default.</summary>
    public Check ControlGroups()
    {
        const string name = "memory limits";
        if (MemoryLimit.AllOf(files.Root).MinBy(limit => limit.Bytes) is { } least)
            return Check.Ok(name, $"this process may have {Quantity.Bytes(least.Bytes)}");
        bool enforced = files.Read("/sys/fs/cgroup/cgroup.controllers")?.Split(' ').Contains("memory")
            ?? files.Read("/sys/fs/cgroup/memory/memory.limit_in_bytes") is not null;
        if (enforced) return Check.Ok(name, "enforced by control groups; none on this process");
        // The device tree of a Raspberry Pi says cgroup_disable=memory; the last word on the line wins.
        string line = files.Read("/proc/cmdline") ?? "";
        bool disabled = line.LastIndexOf("cgroup_disable=memory", StringComparison.Ordinal) > line.LastIndexOf("cgroup_enable=memory",
            StringComparison.Ordinal);
        return disabled
            ? Check.Note(name, "switched off at boot (cgroup_disable=memory): MemoryMax= of a service does nothing",
                "Add cgroup_enable=memory to the line in /boot/firmware/cmdline.txt and restart")
            : Check.Ok(name, "no control group for memory here");
    }

    private Check? HugePages()
    {
        if (files.Read("/sys/kernel/mm/transparent_hugepage/enabled") is not { } modes) return null;
        int open = modes.IndexOf('[', StringComparison.Ordinal), close = modes.IndexOf(']', StringComparison.Ordinal);
        return Check.Ok("huge pages", open >= 0 && close > open ? modes[(open + 1)..close] : modes);
    }

    private Check Swap()
    {
        string[] lines = files.Read("/proc/swaps")?.Split('\n') ?? [];
        string[] devices = [.. lines.Skip(1).Select(line => line.Split(' ', '\t')[0])];
        if (devices.Length == 0) return Check.Ok("swap", "none");
        string value = string.Join(", ", devices);
        return devices.Any(device => device.Contains("zram", StringComparison.Ordinal)) && MachineMemory.Total < 2_000_000_000
            ? Check.Note("swap", value,
                "zram keeps swapped memory in memory: a service that runs a model is better off with MemorySwapMax=0")
            : Check.Ok("swap", value);
    }
}
