using System.Text;
using Microsoft.Win32.SafeHandles;

namespace EdgeLlm.Files;

/// <summary>
/// Files that a user names to be read. What can't be read is a <see cref="FileException"/>; a device is never read, and nothing without a
/// limit.
/// </summary>
internal static class InputFile
{
    /// <summary>Most bytes of a text to measure or calibrate on.</summary>
    public const int MostTextBytes = 1 << 28;

    /// <summary>Most bytes of a file of settings, a template, a key.</summary>
    public const int MostSettingsBytes = 1 << 24;

    /// <summary>Opens a regular file.</summary>
    /// <param name="pipes">Whether a pipe (a shell's `&lt;(command)`) will do, too.</param>
    /// <exception cref="FileException">There is none, or it can't be read.</exception>
    public static FileStream Open(string path, bool pipes = false)
    {
        Require(path, pipes);
        return OpenAny(path);
    }

    /// <summary>The bytes of a regular file or a pipe (a shell's `&lt;(command)`).</summary>
    /// <exception cref="FileException">It can't be read, or has more than <paramref name="mostBytes"/>.</exception>
    public static byte[] Read(string path, int mostBytes)
    {
        Require(path, pipes: true);
        using FileStream file = OpenAny(path);
        return ReadToEnd(path, file, mostBytes);
    }

    /// <summary>The rest of a stream.</summary>
    /// <param name="name">What messages call it.</param>
    /// <exception cref="FileException">It can't be read, or has more than <paramref name="mostBytes"/>.</exception>
    public static byte[] ReadToEnd(string name, Stream stream, int mostBytes)
    {
        try
        {
            return ReadAtMost(stream, mostBytes)
                ?? throw new FileException(name, $"has more than the {mostBytes >> 20} MiB that such a file may have");
        }
        catch (Exception exception) when (FileException.IsFromFileSystem(exception))
        {
            throw FileException.Reading(name, exception);
        }
    }

    /// <summary>The rest of a stream; null where it has more than <paramref name="mostBytes"/>.</summary>
    public static byte[]? ReadAtMost(Stream stream, int mostBytes)
    {
        using var bytes = new MemoryStream();
        byte[] buffer = new byte[1 << 16];
        for (int count; (count = stream.Read(buffer)) > 0;)
        {
            if (bytes.Length + count > mostBytes) return null;
            bytes.Write(buffer, 0, count);
        }
        return bytes.ToArray();
    }

    /// <summary>The text of a regular file or a pipe, UTF-8; a byte order mark is text too.</summary>
    /// <exception cref="FileException">It can't be read, or has more than <paramref name="mostBytes"/>.</exception>
    public static string ReadText(string path, int mostBytes) => Encoding.UTF8.GetString(Read(path, mostBytes));

    /// <summary>Finds out now, before long work, whether a file can be read.</summary>
    /// <exception cref="FileException">It can't; the message says why.</exception>
    public static void RequireReadable(string path)
    {
        Require(path, pipes: true);
        if (FileStatus.Of(path)?.Kind != FileKind.Pipe) OpenAny(path).Dispose();
    }

    /// <summary>Refuses what is not a regular file, by name of what it is.</summary>
    /// <exception cref="FileException">It is something else, or there is nothing.</exception>
    public static void Require(string path, bool pipes = false)
    {
        if (FileStatus.Of(path) is not { } status) return; // opening it says why
        if (status.Kind == FileKind.Link) throw new FileException(path, "is a link to a file that is not there");
        if (status.Kind != FileKind.Regular && !(pipes && status.Kind == FileKind.Pipe))
            throw new FileException(path, $"is {status.KindName}, not a file");
    }

    /// <summary>Opens a regular file to be mapped.</summary>
    /// <exception cref="FileException">There is none, or it can't be read.</exception>
    public static SafeFileHandle OpenHandle(string path)
    {
        Require(path);
        return Open(path, static path => File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read));
    }

    private static FileStream OpenAny(string path) =>
        Open(path, static path => new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read));

    private static T Open<T>(string path, Func<string, T> open)
    {
        if (path.Length == 0 || path.Contains('\0')) throw new FileException("''", "is not a file's name");
        try
        {
            return open(path);
        }
        catch (Exception exception) when (FileException.IsFromFileSystem(exception))
        {
            throw FileException.Reading(path, exception);
        }
    }
}
