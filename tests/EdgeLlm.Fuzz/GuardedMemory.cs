using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using EdgeLlm.Models;

namespace EdgeLlm.Fuzz;

/// <summary>
/// Memory for <see cref="AlignedBuffer"/> between two pages that nobody may touch. It ends at the second one, so that a read or write past
/// its end is a crash, not luck; what alignment leaves between (at most 63 bytes) holds a mark that is checked when the memory is given
/// back.
/// </summary>
internal static unsafe partial class GuardedMemory
{
    private const byte Mark = 0xA5;

    private static readonly nuint Page = (nuint)Environment.SystemPageSize;
    private static readonly ConcurrentDictionary<nint, (nint Pages, nuint Length, nint End)> Blocks = new();

    [ThreadStatic]
    private static long _allocated;

    /// <summary>Bytes that this thread has asked for so far.</summary>
    public static long AllocatedByThread => _allocated;

    /// <summary>Has all buffers of models made here from now on.</summary>
    public static void Use() => AlignedBuffer.Replacement = (Allocate, Free);

    /// <summary>Forbids the page after a mapped file, where nothing else is there; to be given back with <see cref="Unguard"/>.</summary>
    public static nint GuardEnd(nint start, long length)
    {
        nint end = (nint)(((nuint)start + (nuint)length + Page - 1) / Page * Page);
        nint guard = Map(end, Page, 0, 0x22 | 0x100000, -1, 0); // PROT_NONE; MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE
        return guard == end ? guard : 0;
    }

    public static void Unguard(nint guard)
    {
        if (guard != 0) Unmap(guard, Page);
    }

    private static nint Allocate(long bytes)
    {
        _allocated += bytes;
        nuint body = ((nuint)Math.Max(bytes, 1) + Page - 1) / Page * Page, length = body + 2 * Page;
        nint pages = Map(0, length, 0, 0x4022, -1, 0); // PROT_NONE; MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        if (pages == -1) throw new OutOfMemoryException($"{bytes} bytes");
        if (Protect(pages + (nint)Page, body, 3) != 0) throw new OutOfMemoryException($"{bytes} bytes");
        nint end = pages + (nint)(Page + body), start = (nint)((nuint)(end - (nint)Math.Max(bytes, 1)) & ~(nuint)63);
        for (byte* rest = (byte*)start + bytes; rest < (byte*)end; rest++) *rest = Mark;
        Blocks[start] = (pages, length, (nint)((byte*)start + bytes));
        return start;
    }

    private static void Free(nint start)
    {
        if (!Blocks.TryRemove(start, out (nint Pages, nuint Length, nint End) block))
            Environment.FailFast("memory is freed that was not allocated, or twice");
        for (byte* rest = (byte*)block.End; rest < (byte*)(block.Pages + (nint)(block.Length - Page)); rest++)
        {
            if (*rest != Mark) Environment.FailFast($"a buffer of {block.End - start} bytes was written past its end");
        }
        Unmap(block.Pages, block.Length);
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Protect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint length);
}
