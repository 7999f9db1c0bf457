using System.Globalization;

namespace EdgeLlm.Models;

/// <summary>
/// A limit on the memory of a control group that this process is in (cgroups(7); version 1 in the kernel's
/// admin-guide/cgroup-v1/memory.rst, version 2 in admin-guide/cgroup-v2.rst).
/// </summary>
/// <param name="Bytes">The limit.</param>
/// <param name="Used">What of it is used, without the pages of files, which the kernel drops when it needs room.</param>
internal sealed record MemoryLimit(long Bytes, long Used)
{
    // A limit that is no limit: the largest number of whole pages in version 1.
    private const long Unlimited = long.MaxValue / 2;

    /// <summary>The limits of the process's own group and of all groups above it that can be seen.</summary>
    /// <param name="root">The folder that passes for `/`.</param>
    public static IEnumerable<MemoryLimit> AllOf(string root)
    {
        string[] groups = Lines(Path.Combine(root, "proc", "self", "cgroup"));
        string[] mounts = Lines(Path.Combine(root, "proc", "self", "mountinfo"));
        return Of(root, mounts, "cgroup2", "", groups, "memory.max", "memory.current", "")
            .Concat(Of(root, mounts, "cgroup", "memory", groups, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"));
    }

    /// <summary>The lines of a small file, none where it can't be read.</summary>
    public static string[] Lines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <param name="controller">Names the hierarchy in version 1; empty in version 2.</param>
    /// <param name="prefix">What memory.stat puts before figures that count the groups below, too.</param>
    private static IEnumerable<MemoryLimit> Of(string root, string[] mounts, string type, string controller, string[] groups,
        string limitFile, string usedFile, string prefix)
    {
        // hierarchy:controllers:path
        string? group = groups.Select(line => line.Split(':', 3))
            .FirstOrDefault(parts => parts.Length == 3
                && (controller.Length == 0 ? parts is ["0", "", _] : parts[1].Split(',').Contains(controller)))?[2];
        if (group is null || Mount(mounts, type, controller) is not { } mount) yield break;
        string top = Path.Combine(root, mount.Point.TrimStart('/'));
        // A container often sees only a part of the tree, from mount.Root on; a group outside of what it sees shows as the top.
        string below = mount.Root == "/" ? group : group == mount.Root || group.StartsWith(mount.Root + "/", StringComparison.Ordinal)
            ? group[mount.Root.Length..] : "/";
        string[] names = below.Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (names.Contains("..")) names = [];
        for (int depth = names.Length; depth >= 0; depth--)
        {
            string folder = Path.Combine([top, .. names[..depth]]);
            Dictionary<string, long> statistics = Statistics(Path.Combine(folder, "memory.stat"));
            long used = Number(Path.Combine(folder, usedFile)) is { } current
                ? Math.Max(0,
                    current - statistics.GetValueOrDefault(prefix + "inactive_file") - statistics.GetValueOrDefault(prefix + "active_file"))
                : 0;
            if (Number(Path.Combine(folder, limitFile)) is { } limit and < Unlimited) yield return new MemoryLimit(limit, used);
            // Version 1 tells of groups above that can't be seen from here.
            if (statistics.TryGetValue("hierarchical_memory_limit", out long above) && above < Unlimited)
                yield return new MemoryLimit(above, used);
        }
    }

    /// <summary>
    /// Which part of the hierarchy is mounted and where: `id parent device ROOT POINT options ... - TYPE source OPTIONS`
    /// (proc_pid_mountinfo(5)).
    /// </summary>
    private static (string Root, string Point)? Mount(string[] mounts, string type, string controller)
    {
        foreach (string line in mounts)
        {
            string[] fields = line.Split(' ');
            int end = Array.IndexOf(fields, "-");
            if (end < 5 || fields.Length < end + 4 || fields[end + 1] != type) continue;
            if (controller.Length == 0 || fields[end + 3].Split(',').Contains(controller))
                return (Unescaped(fields[3]), Unescaped(fields[4]));
        }
        return null;
    }

    /// <summary>Spaces in paths are written `\040`.</summary>
    private static string Unescaped(string path) =>
        path.Replace(@"\040", " ", StringComparison.Ordinal).Replace(@"\134", @"\", StringComparison.Ordinal);

    private static Dictionary<string, long> Statistics(string path)
    {
        var values = new Dictionary<string, long>();
        foreach (string line in Lines(path))
        {
            string[] words = line.Split(' ');
            if (words.Length == 2 && long.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out long value))
                values[words[0]] = value;
        }
        return values;
    }

    private static long? Number(string path) =>
        Lines(path) is [{ } line, ..]
            && long.TryParse(line.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : null;
}
