using System.Buffers;
using System.IO.MemoryMappedFiles;
using EdgeLlm.Files;
using Microsoft.Win32.SafeHandles;

namespace EdgeLlm.Gguf;

/// <summary>
/// A file mapped into memory, read-only and shared: its pages are the page cache's, one copy for all processes. It hands
/// out pointers, which are good until it is disposed; one that nobody disposes stays mapped until the process ends, because
/// kernels may still hold its pointers. (A file that someone truncates while it is mapped ends the process when the lost
/// pages are touched: the operating system's rule, and no program can prevent it.)
/// </summary>
internal sealed unsafe class MappedFile : MemoryManager<byte>
{
    private readonly SafeFileHandle _file;
    private readonly MemoryMappedFile? _mapping;
    private readonly MemoryMappedViewAccessor? _view;
    private readonly DateTime _written;
    private byte* _start;
    private bool _disposed;

    private MappedFile(string path, SafeFileHandle file)
    {
        (Path, _file) = (path, file);
        Length = RandomAccess.GetLength(file);
        _written = File.GetLastWriteTimeUtc(file);
        if (Length == 0) return; // the operating systems map no empty file
        _mapping = MemoryMappedFile.CreateFromFile(
            file, mapName: null, Length, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        _view = _mapping.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
        _start += _view.PointerOffset;
    }

    /// <summary>The path that was opened.</summary>
    public string Path { get; }

    /// <summary>The bytes of the file.</summary>
    public long Length { get; }

    /// <summary>The file's first bytes, 2 GB at most. Reading it after Dispose throws <see cref="ObjectDisposedException"/>.</summary>
    public ReadOnlyMemory<byte> Head => CreateMemory((int)Math.Min(Length, int.MaxValue));

    /// <summary>Maps a regular file.</summary>
    /// <exception cref="FileException">There is none, or it can't be read.</exception>
    public static MappedFile Open(string path)
    {
        SafeFileHandle file = InputFile.OpenHandle(path);
        try
        {
            return new MappedFile(path, file);
        }
        catch (Exception exception) when (FileException.IsFromFileSystem(exception))
        {
            file.Dispose();
            throw FileException.Reading(path, exception);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The address of bytes of the file, for code that is not `unsafe` but hands it on.</summary>
    public nint Address(long offset, long byteCount) => (nint)Pointer(offset, byteCount);

    /// <summary>Bytes of the file, which must be inside it.</summary>
    public byte* Pointer(long offset, long byteCount)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (offset < 0 || byteCount < 0 || offset > Length - byteCount) throw new ArgumentOutOfRangeException(nameof(offset));
        return _start + offset;
    }

    /// <summary>Bytes of the file, without a copy: valid until the map is disposed.</summary>
    public ReadOnlySpan<byte> Span(long offset, int byteCount) => new(Pointer(offset, byteCount), byteCount);

    /// <summary>Stamp that changes with the file's bytes; null where the system doesn't say.</summary>
    public FileStamp? Stamp => FileStatus.Of(_file)?.Stamp;

    /// <summary>Whether the open file has the size and the time of writing that it had; allocates nothing.</summary>
    public bool IsUnchanged => RandomAccess.GetLength(_file) == Length && File.GetLastWriteTimeUtc(_file) == _written;

    /// <summary>Reads bytes of the file without its map; 0 at its end.</summary>
    /// <exception cref="ObjectDisposedException">The file was disposed of.</exception>
    public int Read(long offset, Span<byte> bytes) => RandomAccess.Read(_file, bytes, offset);

    /// <summary>Says how bytes are going to be used. The hint takes whole pages, so neighbours' bytes too.</summary>
    public void Advise(long offset, long byteCount, MapAdvice advice)
    {
        byte* first = Pointer(offset, byteCount);
        nint page = (nint)first & -Environment.SystemPageSize;
        MemoryHints.Give(page, (nuint)((nint)first + (nint)byteCount - page), advice);
    }

    public override Span<byte> GetSpan() => new(Pointer(0, 0), (int)Math.Min(Length, int.MaxValue));

    public override MemoryHandle Pin(int elementIndex = 0) => new(Pointer(elementIndex, 0));

    public override void Unpin()
    {
    }

    public void Dispose() => Dispose(disposing: true);

    protected override void Dispose(bool disposing)
    {
        if (_disposed) return;
        _disposed = true;
        if (_start != null) _view!.SafeMemoryMappedViewHandle.ReleasePointer();
        _start = null;
        _view?.Dispose();
        _mapping?.Dispose();
        _file.Dispose();
    }
}
