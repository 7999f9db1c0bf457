using System.Runtime.InteropServices;

namespace EdgeLlm.Gguf;

/// <summary>How mapped pages are going to be used: a hint to the kernel, with the numbers of Linux's madvise(2).</summary>
internal enum MapAdvice
{
    /// <summary>Here and there, such as rows of an embedding: do not read ahead.</summary>
    Random = 1,
    /// <summary>Once, from first to last: read far ahead.</summary>
    Sequential = 2,
    /// <summary>Soon: start to read now.</summary>
    WillNeed = 3,
    /// <summary>Not soon: give the pages up; they are read again when touched.</summary>
    DontNeed = 4,
}

/// <summary>Hints to the operating system about mapped memory. Elsewhere than on Linux they do nothing.</summary>
internal static partial class MemoryHints
{
    /// <summary>Hints at the use of whole pages. A hint that the kernel does not take is not an error.</summary>
    public static void Give(nint address, nuint byteCount, MapAdvice advice)
    {
        if (OperatingSystem.IsLinux()) _ = MAdvise(address, byteCount, (int)advice);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int MAdvise(nint address, nuint byteCount, int advice);
}
