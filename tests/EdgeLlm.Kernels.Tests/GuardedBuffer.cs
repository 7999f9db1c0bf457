using System.Runtime.InteropServices;

namespace EdgeLlm.Kernels.Tests;

/// <summary>Memory that ends right before a page that nobody may touch: a read or write past the end is a crash, not luck.</summary>
internal sealed unsafe partial class GuardedBuffer : IDisposable
{
    private readonly byte* _pages;
    private readonly nuint _length;

    public GuardedBuffer(long bytes)
    {
        Bytes = bytes;
        nuint page = (nuint)Environment.SystemPageSize, body = ((nuint)bytes + page - 1) / page * page;
        _length = body + page;
        _pages = (byte*)Map(null, _length, 3, 0x22, -1, 0); // PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS
        if (_pages == (byte*)-1 || Protect(_pages + body, page, 0) != 0) throw new InvalidOperationException("no guarded memory");
        Start = _pages + body - bytes;
    }

    public byte* Start { get; }

    public long Bytes { get; }

    public float* Floats => (float*)Start;

    public Span<byte> Span => new(Start, (int)Bytes);

    public Span<float> FloatSpan => new(Start, (int)(Bytes / sizeof(float)));

    public void Dispose() => Unmap(_pages, _length);

    /// <summary>A guarded copy of <paramref name="values"/>.</summary>
    public static GuardedBuffer Of<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        var buffer = new GuardedBuffer((long)values.Length * sizeof(T));
        MemoryMarshal.AsBytes(values).CopyTo(buffer.Span);
        return buffer;
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial void* Map(void* address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Protect(void* address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(void* address, nuint length);
}
