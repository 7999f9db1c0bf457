namespace EdgeLlm.Files;

/// <summary>A file that can't be read or written: the message begins with its path and says why in one line.</summary>
internal sealed class FileException : IOException
{
    // errno(3), the same on every Linux; .NET keeps it in HResult where it has no exception of its own.
    private const int NotPermitted = 1, InputOutput = 5, NoSuchDevice = 6, WouldBlock = 11, NoMemory = 12, Busy = 16, Exists = 17,
        NoDevice = 19, NotFolder = 20, IsFolder = 21,
        Invalid = 22, ManyInSystem = 23, ManyInProcess = 24, ProgramRuns = 26, NoSpace = 28, ReadOnlyFolder = 30, NameTooLong = 36,
        LinkLoop = 40, Stale = 116, OverQuota = 122;

    /// <summary>The problem in words of ours.</summary>
    public FileException(string path, string problem, Exception? inner = null) : base($"{path}: {problem}", inner) =>
        (Path, Problem) = (path, problem);

    /// <summary>Name of the file in the message.</summary>
    public string Path { get; }

    /// <summary>The message without the path.</summary>
    public string Problem { get; }

    /// <summary>Whether an exception is what the file system answers.</summary>
    public static bool IsFromFileSystem(Exception exception) =>
        exception is IOException or UnauthorizedAccessException or NotSupportedException || IsTooLarge(exception);

    /// <summary>Whether another process has a file open that can't be shared.</summary>
    public static bool IsLocked(IOException exception) =>
        OperatingSystem.IsWindows() ? (exception.HResult & 0xFFFF) is 32 or 33 : exception.HResult == WouldBlock;

    /// <summary>The exception for a path that can't be read.</summary>
    public static FileException Reading(string path, Exception exception) =>
        exception as FileException ?? new FileException(path, Describe(exception, writes: false), exception);

    /// <summary>The exception for a path that can't be written.</summary>
    public static FileException Writing(string path, Exception exception) =>
        exception as FileException ?? new FileException(path, Describe(exception, writes: true), exception);

    /// <summary>
    /// An exception that came past all that would have named its file: the path is taken out of .NET's message, where it is in quotes.
    /// </summary>
    public static string DescribeWithPath(Exception exception)
    {
        string problem = exception is UnauthorizedAccessException ? "may not be read or written by this user"
            : Describe(exception, writes: false);
        int open = exception.Message.IndexOf('\'', StringComparison.Ordinal), close = exception.Message.LastIndexOf('\'');
        return open >= 0 && close > open + 1 ? $"{exception.Message[(open + 1)..close]}: {problem}" : problem;
    }

    /// <summary>An exception of the file system in words of ours, without a path.</summary>
    public static string Describe(Exception exception, bool writes) => exception switch
    {
        FileNotFoundException => "there is no such file",
        DirectoryNotFoundException => writes ? "there is no such folder" : "there is no such file",
        UnauthorizedAccessException => writes ? "may not be written by this user" : "may not be read by this user",
        PathTooLongException => "the name is too long",
        EndOfStreamException => "is cut off",
        _ when IsTooLarge(exception) => "this file system takes no file that large (FAT32 ends at 4.29 GB)",
        _ => DescribeError(exception),
    };

    /// <summary>EFBIG, of which .NET makes an exception as if an argument were wrong.</summary>
    public static bool IsTooLarge(Exception exception) => exception is ArgumentOutOfRangeException { ParamName: "value" };

    private static string DescribeError(Exception exception) =>
        OperatingSystem.IsWindows() ? DescribeOnWindows(exception) : exception.HResult switch
        {
            NotPermitted => "the system does not permit it",
            InputOutput => "the disk or card has an error (input/output error)",
            NoSuchDevice => "is a device or socket that can't be opened",
            WouldBlock => "another process is using it",
            NoMemory => "the system has no memory left for it",
            Busy => "is in use: a mounted file or device can't be replaced",
            Exists => "is there already",
            NoDevice => "is not a file that can be mapped into memory",
            NotFolder => "a part of the path is not a folder",
            IsFolder => "is a folder, not a file",
            Invalid => "the disk does not take such a name or such a use",
            ManyInSystem or ManyInProcess => "too many files are open",
            ProgramRuns => "is a program that is running",
            NoSpace => "the disk is full",
            ReadOnlyFolder => "the disk is mounted read-only",
            NameTooLong => "the name is too long",
            LinkLoop => "the links lead in a circle",
            Stale => "the network disk has lost it",
            OverQuota => "the user's share of the disk is used up",
            _ => WithoutPath(exception.Message),
        };

    /// <summary>ERROR_ codes of winerror.h.</summary>
    private static string DescribeOnWindows(Exception exception) => (exception.HResult & 0xFFFF) switch
    {
        19 => "the disk is mounted read-only",
        32 or 33 => "another process is using it",
        39 or 112 => "the disk is full",
        _ => WithoutPath(exception.Message),
    };

    /// <summary>.NET puts ` : 'PATH'` after what the system says.</summary>
    private static string WithoutPath(string message)
    {
        int path = message.IndexOf(" : '", StringComparison.Ordinal);
        return (path < 0 ? message : message[..path]).ReplaceLineEndings(" ").TrimEnd('.');
    }
}
