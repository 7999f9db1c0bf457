using System.Globalization;

namespace EdgeLlm.Models;

/// <summary>What this machine, or the control group that the process is in, has of memory, in bytes.</summary>
public static class MachineMemory
{
    /// <summary>All that the process may have.</summary>
    public static long Total => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    /// <summary>What can be had now without pushing others out; where the system does not say, <see cref="Total"/>.</summary>
    public static long Available
    {
        get
        {
            long available = Total;
            if (!OperatingSystem.IsLinux()) return available;
            if (ReadKilobytes("/proc/meminfo", "MemAvailable:") is { } free) available = Math.Min(available, free * 1024);
            if (ReadNumber("/sys/fs/cgroup/memory.max") is { } limit && ReadNumber("/sys/fs/cgroup/memory.current") is { } used)
                available = Math.Min(available, Math.Max(0, limit - used));
            return available;
        }
    }

    private static long? ReadNumber(string path)
    {
        try
        {
            return long.TryParse(File.ReadAllText(path).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static long? ReadKilobytes(string path, string field)
    {
        try
        {
            foreach (string line in File.ReadLines(path))
            {
                if (!line.StartsWith(field, StringComparison.Ordinal)) continue;
                string number = line[field.Length..].Replace("kB", "", StringComparison.Ordinal).Trim();
                return long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out long kilobytes) ? kilobytes : null;
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
        return null;
    }
}
