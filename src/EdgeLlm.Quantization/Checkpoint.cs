using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace EdgeLlm.Quantization;

/// <summary>
/// A file of numbers beside an output from which a run that was cut short goes on; each time it is replaced as a whole. 8 bytes, 32 that tell what
/// is being made, int32 how far it is, the numbers, their hash.
/// </summary>
/// <param name="identity">32 bytes: a hash of source and settings. What another run left is not read.</param>
internal sealed class Checkpoint(string path, byte[] identity)
{
    private const int HashBytes = 32;

    /// <summary>Writes the arrays; when this returns they are on the disk.</summary>
    /// <param name="number">How far the work is.</param>
    public void Save(int number, params ReadOnlySpan<float[]> arrays)
    {
        string temporary = path + ".tmp";
        using (var file = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0))
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            Write([.. "EDGELLMC"u8, .. identity]);
            Write(BitConverter.GetBytes(number));
            foreach (float[] array in arrays) Write(MemoryMarshal.AsBytes<float>(array));
            file.Write(hash.GetHashAndReset());
            file.Flush(flushToDisk: true);

            void Write(ReadOnlySpan<byte> bytes)
            {
                hash.AppendData(bytes);
                file.Write(bytes);
            }
        }
        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>Fills the arrays and says how far the work was; null, with the arrays as they were, where nothing of this run is there whole.</summary>
    /// <param name="most">What is further than this is not read.</param>
    public int? TryLoad(int most, params ReadOnlySpan<float[]> arrays)
    {
        if (!File.Exists(path)) return null;
        using FileStream file = File.OpenRead(path);
        long expected = 8 + identity.Length + sizeof(int) + HashBytes;
        foreach (float[] array in arrays) expected += (long)array.Length * sizeof(float);
        if (file.Length != expected || !IsWhole(file)) return null;
        file.Position = 8 + identity.Length;
        int number = 0;
        file.ReadExactly(MemoryMarshal.AsBytes(new Span<int>(ref number)));
        if (number > most) return null;
        foreach (float[] array in arrays) file.ReadExactly(MemoryMarshal.AsBytes(array.AsSpan()));
        return number;
    }

    public void Delete()
    {
        File.Delete(path);
        File.Delete(path + ".tmp");
    }

    private bool IsWhole(FileStream file)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] begin = new byte[8 + identity.Length], buffer = new byte[1 << 20], end = new byte[HashBytes];
        file.ReadExactly(begin);
        if (!begin.AsSpan(0, 8).SequenceEqual("EDGELLMC"u8) || !begin.AsSpan(8).SequenceEqual(identity)) return false;
        hash.AppendData(begin);
        while (file.Position < file.Length - HashBytes)
        {
            int count = (int)Math.Min(buffer.Length, file.Length - HashBytes - file.Position);
            file.ReadExactly(buffer, 0, count);
            hash.AppendData(buffer, 0, count);
        }
        file.ReadExactly(end);
        return hash.GetHashAndReset().AsSpan().SequenceEqual(end);
    }
}
