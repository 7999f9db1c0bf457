namespace EdgeLlm.Files;

/// <summary>
/// A file that is written under another name beside its place (`NAME.edgellm.tmp`), brought to the disk and then put there: the place never
/// holds half of it, and where writing fails, what it held before. Only a regular file is ever replaced: a link is followed to one; a
/// device, pipe, socket, folder, or a link that leads nowhere is refused. The other name is made anew and never reached through a link. A
/// file that is replaced hands on who may read it.
/// </summary>
internal sealed class AtomicFile : IDisposable
{
    private readonly string _path;
    private readonly string _target;
    private readonly FileStream _stream;
    private bool _done;

    private AtomicFile(string path)
    {
        _path = path;
        _target = TargetOf(path);
        _stream = CreateNew(path, TemporaryPath(_target));
        try
        {
            if (!OperatingSystem.IsWindows() && File.Exists(_target))
                File.SetUnixFileMode(_stream.SafeFileHandle, File.GetUnixFileMode(_target));
        }
        catch (Exception exception) when (FileException.IsFromFileSystem(exception))
        {
            // A disk without such rights (FAT), or what was replaced has just gone.
        }
    }

    /// <summary>The file while it is written: for what goes back in it.</summary>
    public FileStream Stream => _stream;

    /// <summary>The name that a file has until it is whole.</summary>
    public static string TemporaryPath(string target) => target + ".edgellm.tmp";

    /// <summary>Begins a file.</summary>
    /// <exception cref="FileException">It can't be written, is not a regular file, or another process is writing it just now.</exception>
    public static AtomicFile Create(string path) => new(path);

    /// <summary>Writes a file.</summary>
    /// <param name="write">Writes the bytes.</param>
    /// <param name="waitsForDisk">Whether the bytes are on the disk when it is put in its place; otherwise a machine that loses its power
    /// may lose them.</param>
    /// <exception cref="FileException">It can't be written, is not a regular file, or another process is writing it just now.</exception>
    public static void Write(string path, Action<FileStream> write, bool waitsForDisk = true)
    {
        using var file = new AtomicFile(path);
        file.Do(() => write(file._stream));
        file.Complete(waitsForDisk);
    }

    /// <summary>Finds out now, before long work, whether a file can be written.</summary>
    /// <exception cref="FileException">It can't; the message says why.</exception>
    public static void RequireWritable(string path) => new AtomicFile(path).Dispose();

    /// <summary>The regular file that writing a path replaces or makes: the target of links, where there are some.</summary>
    /// <exception cref="FileException">The path leads to something else.</exception>
    public static string TargetOf(string path)
    {
        if (path.Length == 0 || path.Contains('\0')) throw new FileException("''", "is not a file's name");
        if (Path.EndsInDirectorySeparator(path)) throw new FileException(path, "is a folder's name; name a file");
        if (FileStatus.Of(path) is not { } status) return Path.GetFullPath(path);
        if (status.Kind == FileKind.Link) throw new FileException(path, "is a link to a file that is not there; name the file itself");
        if (status.Kind != FileKind.Regular) throw new FileException(path, $"is {status.KindName}; name a file");
        try
        {
            return new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path);
        }
        catch (Exception exception) when (FileException.IsFromFileSystem(exception))
        {
            throw FileException.Writing(path, exception);
        }
    }

    /// <summary>
    /// Opens a file that this program keeps beside another and continues in a later run, or makes it. A link or anything else but a regular
    /// file is refused.
    /// </summary>
    /// <exception cref="FileException">It can't be opened, or another process has it open.</exception>
    public static FileStream OpenOrCreate(string path, FileShare share = FileShare.None)
    {
        if (FileStatus.Of(path, followLinks: false) is { Kind: not FileKind.Regular } status)
            throw new FileException(path, $"is {status.KindName}, which edgellm did not make: remove it");
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, share, bufferSize: share == FileShare.None ? 0 : 4096);
        }
        catch (IOException exception) when (File.Exists(path) && FileException.IsLocked(exception))
        {
            throw new FileException(path, "another process is writing it");
        }
        catch (Exception exception) when (FileException.IsFromFileSystem(exception))
        {
            throw Making(path, path, exception);
        }
    }

    /// <summary>Makes a file that must not be there; one that an earlier run left when it was killed is replaced.</summary>
    /// <param name="path">What messages call it.</param>
    /// <param name="temporary">Its name.</param>
    /// <exception cref="FileException">It can't be made, or another process is writing it just now.</exception>
    public static FileStream CreateNew(string path, string temporary)
    {
        try
        {
            RemoveLeftOver(path, temporary);
            // O_CREAT | O_EXCL: a link that somebody put there meanwhile is not followed.
            return new FileStream(temporary, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception exception) when (FileException.IsFromFileSystem(exception))
        {
            throw Making(path, temporary, exception);
        }
    }

    /// <summary>Appends bytes.</summary>
    /// <exception cref="FileException">The disk does not take them.</exception>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        try
        {
            _stream.Write(bytes);
        }
        catch (Exception exception) when (FileException.IsFromFileSystem(exception))
        {
            throw FileException.Writing(_path, exception);
        }
    }

    /// <summary>Writes bytes anywhere.</summary>
    /// <exception cref="FileException">The disk does not take them.</exception>
    public T Write<T>(Func<FileStream, T> write)
    {
        T result = default!;
        Do(() => result = write(_stream));
        return result;
    }

    /// <summary>Puts the file in its place. Without this, disposing drops it.</summary>
    /// <exception cref="FileException">The disk does not take it.</exception>
    public void Complete(bool waitsForDisk = true) => Do(() =>
    {
        _stream.Flush(flushToDisk: waitsForDisk);
        _stream.Dispose(); // Windows renames no open file
        if (FileStatus.Of(_target, followLinks: false) is { Kind: not FileKind.Regular } status)
            throw new FileException(_path, $"has become {status.KindName} meanwhile");
        File.Move(TemporaryPath(_target), _target, overwrite: true);
        _done = true;
    });

    /// <inheritdoc/>
    public void Dispose()
    {
        try
        {
            _stream.Dispose();
        }
        catch (Exception exception) when (!_done && FileException.IsFromFileSystem(exception))
        {
            // The disk is full: what is dropped need not reach it.
        }
        if (_done) return;
        _done = true;
        try
        {
            File.Delete(TemporaryPath(_target));
        }
        catch (Exception exception) when (FileException.IsFromFileSystem(exception))
        {
            // The folder is gone or read-only by now; the error that led here counts more.
        }
    }

    private void Do(Action action)
    {
        try
        {
            action();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException || FileException.IsTooLarge(exception))
        {
            throw FileException.Writing(_path, exception);
        }
    }

    /// <summary>A file can't be made: the folder is at fault where rights are missing.</summary>
    private static FileException Making(string path, string file, Exception exception) =>
        exception is UnauthorizedAccessException && !File.Exists(file)
            ? new FileException(path, $"its folder {Path.GetDirectoryName(Path.GetFullPath(file))} is read-only for this user", exception)
            : FileException.Writing(path, exception);

    private static void RemoveLeftOver(string path, string temporary)
    {
        if (FileStatus.Of(temporary, followLinks: false) is not { } status) return;
        if (status.Kind != FileKind.Regular)
            throw new FileException(path,
                $"{Path.GetFileName(temporary)} beside it is {status.KindName}, which edgellm did not make: remove it");
        try
        {
            // A run that is writing holds it locked; one that was killed does not.
            using var left = new FileStream(temporary, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException exception) when (FileException.IsLocked(exception))
        {
            throw new FileException(path, "another process is writing it");
        }
        File.Delete(temporary);
    }
}
