using System.Runtime.InteropServices;

namespace EdgeLlm.Models;

/// <summary>
/// Memory outside the managed heap, aligned to 64 bytes. Large ones cost nothing until they are touched, and go back to the system when
/// they are freed.
/// </summary>
internal sealed unsafe partial class AlignedBuffer : IDisposable
{
    /// <summary>
    /// Bytes from which a buffer is pages of its own. The C library keeps what is freed below 32 MB in the arena of the thread that asked
    /// first: a service that loads and unloads models kept tens of megabytes that way.
    /// </summary>
    private const int OwnPages = 128 << 10;
    private const int ReadWrite = 3, PrivateAnonymous = 0x22;

    private byte* _start;

    /// <param name="bytes">How many, 0 or more; at least 64 are allocated.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bytes"/> is negative: a product of sizes overflowed.</exception>
    /// <exception cref="OutOfMemoryException">The system has no room.</exception>
    public AlignedBuffer(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        Bytes = bytes;
        _start = Replacement is { } other ? (byte*)other.Allocate(bytes)
            : HasOwnPages ? Map(checked((nuint)bytes))
            : (byte*)NativeMemory.AlignedAlloc(checked((nuint)Math.Max(bytes, 64)), 64);
    }

    ~AlignedBuffer() => Free();

    /// <summary>
    /// Where memory comes from instead and goes back to: the fuzzer's is between pages that nobody may touch. Set before the first buffer
    /// is made.
    /// </summary>
    internal static (Func<long, nint> Allocate, Action<nint> Free)? Replacement { get; set; }

    /// <summary>Bytes that were asked for.</summary>
    public long Bytes { get; }

    /// <summary>Address of the first byte.</summary>
    /// <exception cref="ObjectDisposedException">The memory was given back.</exception>
    public byte* Start
    {
        get
        {
            ObjectDisposedException.ThrowIf(_start == null, this);
            return _start;
        }
    }

    /// <summary>All of it.</summary>
    /// <exception cref="OverflowException">It has 2 GB or more.</exception>
    public Span<byte> Span => new(Start, checked((int)Bytes));

    private bool HasOwnPages => OperatingSystem.IsLinux() && Bytes >= OwnPages;

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (_start == null) return;
        if (Replacement is { } other) other.Free((nint)_start);
        else if (HasOwnPages) _ = Unmap((nint)_start, (nuint)Bytes);
        else NativeMemory.AlignedFree(_start);
        _start = null;
    }

    private static byte* Map(nuint bytes)
    {
        nint start = Map(0, bytes, ReadWrite, PrivateAnonymous, -1, 0);
        return start != -1 ? (byte*)start : throw new OutOfMemoryException();
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, long offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint length);
}
