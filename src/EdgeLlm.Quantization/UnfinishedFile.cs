using EdgeLlm.Files;

namespace EdgeLlm.Quantization;

/// <summary>A file of unfinished work beside an output, which begins with a mark and with what is being made.</summary>
internal static class UnfinishedFile
{
    /// <summary>Opens such a file, positioned after its beginning; one of another run is begun anew.</summary>
    /// <param name="identity">A hash of source and settings.</param>
    /// <exception cref="FileException">It can't be opened, another process has it open, or it is not such a file.</exception>
    public static FileStream Open(string path, ReadOnlySpan<byte> mark, ReadOnlySpan<byte> identity)
    {
        FileStream file = AtomicFile.OpenOrCreate(path, FileShare.Read);
        byte[] begin = [.. mark, .. identity], found = new byte[begin.Length];
        int length = file.ReadAtLeast(found, found.Length, throwOnEndOfStream: false);
        if (found.AsSpan().SequenceEqual(begin)) return file;
        if (!found.AsSpan().StartsWith(mark[..Math.Min(length, mark.Length)]))
        {
            file.Dispose();
            throw new FileException(path,
                "is where unfinished work is kept, and edgellm did not make it: remove it, or name another output");
        }
        file.SetLength(0);
        file.Position = 0;
        file.Write(begin);
        return file;
    }
}
