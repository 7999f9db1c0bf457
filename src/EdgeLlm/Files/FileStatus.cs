using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace EdgeLlm.Files;

/// <summary>What a path leads to.</summary>
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

/// <summary>What a path leads to and which file that is.</summary>
/// <param name="Kind">Elsewhere than on Linux only <see cref="FileKind.Regular"/>, <see cref="FileKind.Folder"/> and <see cref="FileKind.Link"/> are told apart.</param>
/// <param name="Identity">Equal for two paths exactly where they lead to one file, by whatever names and links.</param>
internal sealed partial record FileStatus(FileKind Kind, string Identity)
{
    // statx(2): one layout on every processor. stx_mode at 28 (u16), stx_ino at 32 (u64), stx_dev_major and _minor at 136 and 140 (u32).
    private const int BufferBytes = 256, ModeOffset = 28, InodeOffset = 32, DeviceOffset = 136;
    private const int CurrentFolder = -100, NoFollow = 0x100;
    private const uint TypeAndInode = 0x1 | 0x100;

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

    /// <summary>The status of a path, or null where there is nothing or it may not be looked at.</summary>
    /// <param name="followLinks">False: of a link itself. True: of what it leads to; of the link itself where it leads nowhere.</param>
    public static FileStatus? Of(string path, bool followLinks = true)
    {
        if (path.Length == 0 || path.Contains('\0')) return null;
        if (!OperatingSystem.IsLinux()) return Portable(path, followLinks);
        byte[] buffer = new byte[BufferBytes];
        if (StatX(CurrentFolder, path, followLinks ? 0 : NoFollow, TypeAndInode, buffer) != 0 && (!followLinks || StatX(CurrentFolder, path, NoFollow, TypeAndInode, buffer) != 0)) return null;
        FileKind kind = (BinaryPrimitives.ReadUInt16LittleEndian(buffer.AsSpan(ModeOffset)) & 0xF000) switch
        {
            0x8000 => FileKind.Regular,
            0x4000 => FileKind.Folder,
            0x1000 => FileKind.Pipe,
            0xC000 => FileKind.Socket,
            0xA000 => FileKind.Link,
            _ => FileKind.Device,
        };
        return new FileStatus(kind, $"{BinaryPrimitives.ReadUInt64LittleEndian(buffer.AsSpan(DeviceOffset)):x}:{BinaryPrimitives.ReadUInt64LittleEndian(buffer.AsSpan(InodeOffset)):x}");
    }

    private static FileStatus? Portable(string path, bool followLinks)
    {
        var info = new FileInfo(path);
        string full = info.FullName;
        if (info.LinkTarget is not null)
        {
            if (!followLinks || info.ResolveLinkTarget(returnFinalTarget: true) is not { Exists: true } target) return new FileStatus(FileKind.Link, full);
            full = target.FullName;
        }
        return Directory.Exists(full) ? new FileStatus(FileKind.Folder, full) : File.Exists(full) ? new FileStatus(FileKind.Regular, full) : null;
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(int folder, string path, int flags, uint mask, [Out] byte[] buffer);
}
