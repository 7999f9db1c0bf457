namespace EdgeLlm.Files;

/// <summary>The files in which Linux tells about itself, below a root that tests can put elsewhere.</summary>
internal sealed class SystemFiles(string root)
{
    /// <summary>The folder that passes for `/`.</summary>
    public string Root => root;

    public static SystemFiles OfThisMachine { get; } = new("/");

    /// <summary>
    /// A small file's text without white space (and device tree's NUL) at its ends, or null where it is missing, unreadable or empty.
    /// </summary>
    public string? Read(string path)
    {
        try
        {
            return File.ReadAllText(Path.Combine(Root, path.TrimStart('/'))).Trim().Trim('\0') is { Length: > 0 } text ? text : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The value of the first line `field: value` (tabs and spaces around it dropped), or null.</summary>
    public string? Field(string path, string field)
    {
        foreach (string line in Read(path)?.Split('\n') ?? [])
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0 && line.AsSpan(0, colon).Trim().SequenceEqual(field)) return line[(colon + 1)..].Trim();
        }
        return null;
    }

    /// <summary>A line such as `VmHWM: 1234 kB` in bytes, or null.</summary>
    public long? Kilobytes(string path, string field) =>
        Field(path, field) is { } value && long.TryParse(value.Replace("kB", "", StringComparison.Ordinal), out long kilobytes)
            ? kilobytes * 1024 : null;
}
