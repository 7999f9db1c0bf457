using System.Runtime.InteropServices;

namespace EdgeLlm.Gguf;

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
