namespace EdgeLlm.Cli;

/// <summary>Room on the disk that a folder, which need not exist yet, is on.</summary>
internal static class FreeSpace
{
    /// <summary>Bytes that this user may still write, or null where the system does not say.</summary>
    public static long? At(string folder)
    {
        try
        {
            string? existing = Path.GetFullPath(folder);
            while (existing is not null && !Directory.Exists(existing)) existing = Path.GetDirectoryName(existing);
            return existing is null ? null : new DriveInfo(existing).AvailableFreeSpace;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }
}
