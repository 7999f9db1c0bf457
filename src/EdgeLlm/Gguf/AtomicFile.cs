namespace EdgeLlm.Gguf;

/// <summary>
/// A file that is written under another name beside its place, brought to the disk and then put there: the place never holds half of it, and
/// where writing fails, what it held before.
/// </summary>
internal static class AtomicFile
{
    /// <param name="write">Writes the bytes.</param>
    /// <param name="waitsForDisk">Whether the bytes are on the disk when it is put in its place; otherwise a machine that loses its power may lose them.</param>
    /// <exception cref="IOException">It can't be written, or another process is writing it just now.</exception>
    public static void Write(string path, Action<FileStream> write, bool waitsForDisk = true)
    {
        string temporary = path + ".tmp";
        // Opened out here: where another process is writing it, it is not ours to delete.
        var output = new FileStream(temporary, FileMode.Create, FileAccess.ReadWrite, FileShare.None);
        try
        {
            using (output)
            {
                write(output);
                output.Flush(flushToDisk: waitsForDisk);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}
