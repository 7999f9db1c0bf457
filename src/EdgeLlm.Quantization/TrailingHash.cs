using System.Security.Cryptography;

namespace EdgeLlm.Quantization;

/// <summary>The SHA-256 of a stretch of a file, which is right after it: what is cut short or damaged does not match.</summary>
internal static class TrailingHash
{
    public const int ByteCount = SHA256.HashSizeInBytes;

    /// <summary>
    /// Whether the bytes from start to end are those that were written. The file has at least the hash's bytes after them.
    /// </summary>
    public static bool Matches(FileStream file, long start, long end)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[1 << 16], expected = new byte[ByteCount];
        file.Position = start;
        while (file.Position < end)
        {
            int count = (int)Math.Min(buffer.Length, end - file.Position);
            file.ReadExactly(buffer, 0, count);
            hash.AppendData(buffer, 0, count);
        }
        file.ReadExactly(expected);
        return hash.GetHashAndReset().AsSpan().SequenceEqual(expected);
    }
}
