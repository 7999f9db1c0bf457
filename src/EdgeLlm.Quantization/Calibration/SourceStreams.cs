using System.Runtime.InteropServices;
using System.Security.Cryptography;
using EdgeLlm.Files;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>
/// The file beside an output in which the source's residual stream before each layer, and after the last, waits for the way back. 8 bytes,
/// 32 that tell what is being made; then records of one size, each of a window: its floats and their hash.
/// </summary>
internal sealed class SourceStreams : IDisposable
{
    private const int BeginBytes = 40;

    private readonly FileStream _file;
    private readonly long _recordBytes;

    /// <param name="identity">32 bytes: a hash of source and settings. A file of another run is begun anew.</param>
    /// <param name="length">Floats of a record.</param>
    /// <exception cref="FileException">It can't be opened, another process has it open, or it is not such a file.</exception>
    public SourceStreams(string path, ReadOnlySpan<byte> identity, long length)
    {
        _recordBytes = length * sizeof(float) + TrailingHash.ByteCount;
        _file = UnfinishedFile.Open(path, "EDGELLMS"u8, identity[..(BeginBytes - 8)]);
        Count = (int)((_file.Length - BeginBytes) / _recordBytes);
    }

    /// <summary>Whole records.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes of a file of this many records.</summary>
    public static long ByteCount(long length, long records) => BeginBytes + records * (length * sizeof(float) + TrailingHash.ByteCount);

    /// <summary>Adds the next record.</summary>
    public void Append(ReadOnlySpan<float> record)
    {
        _file.Position = BeginBytes + Count * _recordBytes;
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(record);
        _file.Write(bytes);
        _file.Write(SHA256.HashData(bytes));
        _file.Flush();
        Count++;
    }

    /// <summary>Fills a record's floats; false: it is damaged, and it and those after it are dropped.</summary>
    public bool TryRead(int index, Span<float> record)
    {
        _file.Position = BeginBytes + index * _recordBytes;
        Span<byte> bytes = MemoryMarshal.AsBytes(record);
        Span<byte> hash = stackalloc byte[TrailingHash.ByteCount];
        _file.ReadExactly(bytes);
        _file.ReadExactly(hash);
        if (SHA256.HashData(bytes).AsSpan().SequenceEqual(hash)) return true;
        Count = index;
        _file.SetLength(BeginBytes + Count * _recordBytes);
        return false;
    }

    public void Dispose() => _file.Dispose();
}
