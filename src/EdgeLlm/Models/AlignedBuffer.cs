using System.Runtime.InteropServices;

namespace EdgeLlm.Models;

/// <summary>Memory outside the managed heap, aligned to 64 bytes. Large ones cost nothing until they are touched.</summary>
internal sealed unsafe class AlignedBuffer : IDisposable
{
    private byte* _start;

    /// <param name="bytes">How many, 0 or more; at least 64 are allocated.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bytes"/> is negative: a product of sizes overflowed.</exception>
    /// <exception cref="OutOfMemoryException">The system has no room.</exception>
    public AlignedBuffer(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        Bytes = bytes;
        _start = Replacement is { } other ? (byte*)other.Allocate(bytes)
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

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (_start == null) return;
        if (Replacement is { } other) other.Free((nint)_start);
        else NativeMemory.AlignedFree(_start);
        _start = null;
    }
}
