using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace EdgeLlm.Files;

/// <summary>Kinds of files at the end of a path.</summary>
internal enum FileKind
{
    /// <summary>An ordinary file.</summary>
    Regular,

    /// <summary>A folder.</summary>
    Folder,

    /// <summary>A pipe, with a name or between two programs.</summary>
    Pipe,

    /// <summary>A character or block device.</summary>
    Device,

    /// <summary>A socket.</summary>
    Socket,

    /// <summary>A symbolic link, where links are not followed or this one leads nowhere.</summary>
    Link,
}

/// <summary>Kind and identity of the file at the end of a path.</summary>
/// <param name="Kind">Elsewhere than on Linux only <see cref="FileKind.Regular"/>, <see cref="FileKind.Folder"/> and
/// <see cref="FileKind.Link"/> are told apart.</param>
/// <param name="Identity">Equal for two paths exactly where they lead to one file, by whatever names and links.</param>
/// <param name="Stamp">What changes with the file's bytes; null where the system doesn't say.</param>
/// <param name="Owner">Number of the user whose it is; null where the system doesn't say.</param>
internal sealed partial record FileStatus(FileKind Kind, string Identity, FileStamp? Stamp = null, uint? Owner = null)
{
    // statx(2): one layout on every processor. stx_uid at 20 (u32), stx_mode at 28 (u16), stx_ino at 32 and stx_size at 40 (u64), stx_ctime
    // at 96 and stx_mtime at 112 (s64 seconds, u32 nanoseconds), stx_dev_major and _minor at 136 and 140 (u32).
    private const int BufferBytes = 256, OwnerOffset = 20, ModeOffset = 28, InodeOffset = 32, SizeOffset = 40, ChangeTimeOffset = 96,
        WriteTimeOffset = 112, DeviceOffset = 136;
    private const int CurrentFolder = -100, NoFollow = 0x100, EmptyPath = 0x1000;
    private const uint Fields = 0x1 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200; // type, owner, times of writing and of change, inode, size
    private const int NoEntry = 2, NotFolder = 20;

    /// <summary>The kind in a message: "is a device".</summary>
    public string KindName => Kind switch
    {
        FileKind.Regular => "a file",
        FileKind.Folder => "a folder",
        FileKind.Pipe => "a pipe",
        FileKind.Device => "a device",
        FileKind.Socket => "a socket",
        _ => "a link",
    };

    /// <summary>Whether it is this process's user's; also where the system doesn't say.</summary>
    public bool IsOwn => Owner is not { } owner || owner == EffectiveUser();

    /// <summary>
    /// Whether two paths, of which nothing need be there yet, are one place: a name in one folder, by whatever way to it.
    /// </summary>
    public static bool IsSamePlace(string path, string other)
    {
        if (Of(path) is { } there) return there.Identity == Of(other)?.Identity;
        (path, other) = (Path.GetFullPath(path), Path.GetFullPath(other));
        if (Path.GetFileName(path) != Path.GetFileName(other)) return false;
        (string? folder, string? otherFolder) = (Path.GetDirectoryName(path), Path.GetDirectoryName(other));
        return folder == otherFolder || folder is not null && otherFolder is not null && Of(folder) is { } status
            && status.Identity == Of(otherFolder)?.Identity;
    }

    /// <summary>The status of a path, or null where there is nothing or it may not be looked at.</summary>
    /// <param name="followLinks">False: of a link itself. True: of what it leads to; of the link itself where it leads nowhere.</param>
    public static FileStatus? Of(string path, bool followLinks = true)
    {
        if (path.Length == 0 || path.Contains('\0')) return null;
        if (!OperatingSystem.IsLinux()) return Portable(path, followLinks);
        byte[] buffer = new byte[BufferBytes];
        if (StatX(CurrentFolder, path, followLinks ? 0 : NoFollow, Fields, buffer) != 0
            && (!followLinks || StatX(CurrentFolder, path, NoFollow, Fields, buffer) != 0))
        {
            // Old sandboxes refuse this call: what is there must not pass for nothing then.
            return Marshal.GetLastPInvokeError() is NoEntry or NotFolder ? null : Portable(path, followLinks);
        }
        return Read(buffer);
    }

    /// <summary>The status of an open file, or null where the system doesn't say.</summary>
    public static FileStatus? Of(SafeFileHandle file)
    {
        if (!OperatingSystem.IsLinux()) return null;
        byte[] buffer = new byte[BufferBytes];
        bool added = false;
        try
        {
            file.DangerousAddRef(ref added);
            return StatX((int)file.DangerousGetHandle(), "", EmptyPath, Fields, buffer) == 0 ? Read(buffer) : null;
        }
        finally
        {
            if (added) file.DangerousRelease();
        }
    }

    private static FileStatus Read(byte[] buffer)
    {
        FileKind kind = (BinaryPrimitives.ReadUInt16LittleEndian(buffer.AsSpan(ModeOffset)) & 0xF000) switch
        {
            0x8000 => FileKind.Regular,
            0x4000 => FileKind.Folder,
            0x1000 => FileKind.Pipe,
            0xC000 => FileKind.Socket,
            0xA000 => FileKind.Link,
            _ => FileKind.Device,
        };
        ulong device = BinaryPrimitives.ReadUInt64LittleEndian(buffer.AsSpan(DeviceOffset)),
            inode = BinaryPrimitives.ReadUInt64LittleEndian(buffer.AsSpan(InodeOffset));
        var stamp = new FileStamp(device, inode, BinaryPrimitives.ReadInt64LittleEndian(buffer.AsSpan(SizeOffset)), TimeAt(WriteTimeOffset),
            TimeAt(ChangeTimeOffset));
        return new FileStatus(kind, $"{device:x}:{inode:x}", stamp, BinaryPrimitives.ReadUInt32LittleEndian(buffer.AsSpan(OwnerOffset)));

        long TimeAt(int offset) =>
            BinaryPrimitives.ReadInt64LittleEndian(buffer.AsSpan(offset)) * 1_000_000_000
                + BinaryPrimitives.ReadUInt32LittleEndian(buffer.AsSpan(offset + 8));
    }

    private static FileStatus? Portable(string path, bool followLinks)
    {
        var info = new FileInfo(path);
        string full = info.FullName;
        if (info.LinkTarget is not null)
        {
            if (!followLinks || TargetOf(info) is not { Exists: true } target) return new FileStatus(FileKind.Link, full);
            full = target.FullName;
        }
        return Directory.Exists(full) ? new FileStatus(FileKind.Folder, full) : File.Exists(full)
            ? new FileStatus(FileKind.Regular, full) : null;
    }

    private static FileSystemInfo? TargetOf(FileInfo link)
    {
        try
        {
            return link.ResolveLinkTarget(returnFinalTarget: true);
        }
        catch (IOException)
        {
            return null; // links in a circle
        }
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int StatX(int folder, string path, int flags, uint mask, [Out] byte[] buffer);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint EffectiveUser();
}

/// <summary>Stamp that changes with a file's bytes.</summary>
/// <param name="Written">Nanoseconds since 1970 of the last writing; a program may set it.</param>
/// <param name="ChangedNanoseconds">Nanoseconds since 1970 of the last change of the file or of what is known of it; no program sets
/// it.</param>
internal sealed record FileStamp(ulong Device, ulong Inode, long Size, long Written, long ChangedNanoseconds)
{
    /// <summary>The pattern of <see cref="FileName"/>.</summary>
    public const string Pattern = "*.sha256";

    /// <summary>A file's name that says all of it.</summary>
    public string FileName => $"{Device:x}-{Inode:x}-{Size:x}-{Written:x}-{ChangedNanoseconds:x}.sha256";

    /// <summary>Time of the last change, UTC.</summary>
    public DateTime Changed => DateTime.UnixEpoch.AddTicks(ChangedNanoseconds / 100);
}
