using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using EdgeLlm.Files;

namespace EdgeLlm.Quantization;

/// <summary>
/// A file of numbers beside an output from which a run that was cut short continues; each time it is replaced as a whole. 8 bytes, 32 that
/// tell what is being made, int32 how far it is, the numbers, their hash.
/// </summary>
/// <param name="identity">32 bytes: a hash of source and settings. What another run left is not read.</param>
internal sealed class Checkpoint(string path, byte[] identity)
{
    private const int SmallBytes = 16 << 20; // such take too little time to save it
    private const int Share = 20;

    private long _last; // when it was saved, and how long that took
    private TimeSpan _took;

    private readonly byte[] _begin = [.. "EDGELLMC"u8, .. identity];

    /// <summary>
    /// Writes the arrays. A machine that loses its power may lose them: work that is then done again, so that the disk is not waited for.
    /// </summary>
    /// <param name="number">How far the work is.</param>
    public void Save(int number, params ReadOnlySpan<float[]> arrays)
    {
        float[][] all = arrays.ToArray();
        AtomicFile.Write(path, file =>
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            Write(_begin);
            Write(BitConverter.GetBytes(number));
            foreach (float[] array in all) Write(MemoryMarshal.AsBytes<float>(array));
            file.Write(hash.GetHashAndReset());

            void Write(ReadOnlySpan<byte> bytes)
            {
                hash.AppendData(bytes);
                file.Write(bytes);
            }
        }, waitsForDisk: false);
    }

    /// <summary>
    /// Writes the arrays as <see cref="Save"/> does, each time where they are small or it must be; else where at least 20 times the time has
    /// passed that writing took the last time, so that it does not slow down the work.
    /// </summary>
    public void SaveNowAndThen(int number, bool isNeeded, params ReadOnlySpan<float[]> arrays)
    {
        long bytes = 0;
        foreach (float[] array in arrays) bytes += (long)array.Length * sizeof(float);
        if (!isNeeded && bytes > SmallBytes && Stopwatch.GetElapsedTime(_last) < Share * _took) return;
        long start = Stopwatch.GetTimestamp();
        Save(number, arrays);
        _last = Stopwatch.GetTimestamp();
        _took = Stopwatch.GetElapsedTime(start, _last);
    }

    /// <summary>How far the work of this run was, as the file says; null where it says nothing.</summary>
    public int? ReadNumber()
    {
        if (!File.Exists(path)) return null;
        using FileStream file = InputFile.Open(path);
        byte[] begin = new byte[_begin.Length + sizeof(int)];
        if (file.ReadAtLeast(begin, begin.Length, throwOnEndOfStream: false) < begin.Length) return null;
        return begin.AsSpan().StartsWith(_begin) ? BitConverter.ToInt32(begin, _begin.Length) : null;
    }

    /// <summary>
    /// Fills the arrays and says how far the work was; null, with the arrays as they were, where nothing of this run is there whole.
    /// </summary>
    /// <param name="most">What is further than this is not read.</param>
    public int? TryLoad(int most, params ReadOnlySpan<float[]> arrays)
    {
        if (!File.Exists(path)) return null;
        using FileStream file = InputFile.Open(path);
        long end = _begin.Length + sizeof(int);
        foreach (float[] array in arrays) end += (long)array.Length * sizeof(float);
        if (file.Length != end + TrailingHash.ByteCount) return null;
        byte[] begin = new byte[_begin.Length];
        file.ReadExactly(begin);
        if (!begin.AsSpan().SequenceEqual(_begin) || !TrailingHash.Matches(file, 0, end)) return null;
        file.Position = _begin.Length;
        int number = 0;
        file.ReadExactly(MemoryMarshal.AsBytes(new Span<int>(ref number)));
        if (number > most) return null;
        foreach (float[] array in arrays) file.ReadExactly(MemoryMarshal.AsBytes(array.AsSpan()));
        return number;
    }

    public void Delete()
    {
        File.Delete(path);
        File.Delete(AtomicFile.TemporaryPath(path));
    }
}
