using System.Globalization;

namespace EdgeLlm.Models;

/// <summary>Memory of this machine, or of the control group that the process is in where that has less, in bytes.</summary>
public static class MachineMemory
{
    /// <summary>All that the process may have.</summary>
    public static long Total => Read("/").Total;

    /// <summary>Memory that is available without pushing others out; where the system does not say, <see cref="Total"/>.</summary>
    public static long Available => Read("/").Available;

    /// <summary>Both, out of the files in which Linux tells about itself (proc(5)).</summary>
    /// <param name="root">The folder that passes for `/`.</param>
    internal static (long Total, long Available) Read(string root)
    {
        // The garbage collector's own figure is three quarters of a control group's limit.
        long total = Kilobytes(root, "MemTotal:") ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        long available = Math.Min(total, Kilobytes(root, "MemAvailable:") ?? total);
        foreach (MemoryLimit limit in MemoryLimit.AllOf(root))
        {
            total = Math.Min(total, limit.Bytes);
            available = Math.Min(available, Math.Max(0, limit.Bytes - limit.Used));
        }
        return (total, available);
    }

    private static long? Kilobytes(string root, string field)
    {
        foreach (string line in MemoryLimit.Lines(Path.Combine(root, "proc", "meminfo")))
        {
            if (!line.StartsWith(field, StringComparison.Ordinal)) continue;
            string number = line[field.Length..].Replace("kB", "", StringComparison.Ordinal).Trim();
            return long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out long kilobytes) ? kilobytes * 1024 : null;
        }
        return null;
    }
}
