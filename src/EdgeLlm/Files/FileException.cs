namespace EdgeLlm.Files;

/// <summary>A file that can't be read or written: the message begins with its path and says why in one line.</summary>
internal sealed class FileException : IOException
{
    // errno(3), the same on every Linux; .NET keeps it in HResult where it has no exception of its own.
    private const int NotPermitted = 1, InputOutput = 5, NoSuchDevice = 6, WouldBlock = 11, Exists = 17, NotFolder = 20, IsFolder = 21, TooLarge = 27, NoSpace = 28,
        ReadOnlyFolder = 30, NameTooLong = 36, LinkLoop = 40, OverQuota = 122;

    /// <summary>The problem in words of ours.</summary>
    public FileException(string path, string problem) : base($"{path}: {problem}")
    {
    }

    /// <summary>What the file system said, in words of ours. An exception of this kind that comes from further down stays as it is.</summary>
    private FileException(string path, Exception inner, bool writes) : base($"{path}: {Describe(inner, writes)}", inner)
    {
    }

    /// <summary>Whether an exception is what the file system answers.</summary>
    public static bool IsFromFileSystem(Exception exception) => exception is IOException or UnauthorizedAccessException or NotSupportedException;

    /// <summary>Whether another process has a file open that can't be shared.</summary>
    public static bool IsLocked(IOException exception) => (exception.HResult & 0xFFFF) is WouldBlock or 32; // 32: Windows

    /// <summary>The exception for a path that can't be read.</summary>
    public static FileException Reading(string path, Exception exception) => exception as FileException ?? new FileException(path, exception, writes: false);

    /// <summary>The exception for a path that can't be written.</summary>
    public static FileException Writing(string path, Exception exception) => exception as FileException ?? new FileException(path, exception, writes: true);

    /// <summary>An exception of the file system in words of ours, without a path.</summary>
    public static string Describe(Exception exception, bool writes) => exception switch
    {
        FileNotFoundException => "there is no such file",
        DirectoryNotFoundException => writes ? "there is no such folder" : "there is no such file",
        UnauthorizedAccessException => writes ? "may not be written by this user" : "may not be read by this user",
        PathTooLongException => "the name is too long",
        _ => DescribeError(exception),
    };

    private static string DescribeError(Exception exception) => (OperatingSystem.IsWindows() ? exception.HResult & 0xFFFF : exception.HResult) switch
    {
        NotPermitted => "the system does not permit it",
        InputOutput => "the disk or card has an error (input/output error)",
        NoSuchDevice => "is a device or socket that can't be opened",
        Exists => "is there already",
        NotFolder => "a part of the path is not a folder",
        IsFolder => "is a folder, not a file",
        TooLarge => "is larger than the disk or the user's limit permits",
        NoSpace or 112 => "the disk is full", // 112: Windows
        ReadOnlyFolder or 19 => "the disk is mounted read-only", // 19: Windows
        NameTooLong => "the name is too long",
        LinkLoop => "the links lead in a circle",
        OverQuota => "the user's share of the disk is used up",
        _ => WithoutPath(exception.Message),
    };

    /// <summary>.NET puts ` : 'PATH'` behind what the system says.</summary>
    private static string WithoutPath(string message)
    {
        int path = message.IndexOf(" : '", StringComparison.Ordinal);
        return (path < 0 ? message : message[..path]).ReplaceLineEndings(" ").TrimEnd('.');
    }
}
