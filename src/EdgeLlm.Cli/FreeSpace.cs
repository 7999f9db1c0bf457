using EdgeLlm.Cli.Output;
using EdgeLlm.Files;

namespace EdgeLlm.Cli;

/// <summary>Room on the disk that a folder, which need not exist yet, is on.</summary>
internal static class FreeSpace
{
    private const long SpareBytes = 64 << 20;

    /// <summary>Refuses an output for which the disk has no room.</summary>
    /// <param name="bytes">What it takes while it is made.</param>
    /// <exception cref="FileException">There is less, or nothing to spare.</exception>
    public static void Require(string output, long bytes)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(output))!;
        if (At(folder) is not { } free || free >= bytes + SpareBytes) return;
        throw new FileException(output,
            $"takes {Quantity.Bytes(bytes)} of disk while it is made, with {Quantity.Bytes(SpareBytes)} to spare, and {folder} has "
                + $"{Quantity.Bytes(free)} free");
    }

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
