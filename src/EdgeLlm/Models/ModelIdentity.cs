using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using EdgeLlm.Files;
using EdgeLlm.Gguf;

namespace EdgeLlm.Models;

/// <summary>
/// Identity of a model: the SHA-256 of its file's bytes (as `sha256sum` prints it); of a model in several files, the SHA-256 of their
/// hashes in order; of a Hugging Face folder, of those and of what its other files say of the model. Reading all of a file takes seconds,
/// so a hash is remembered under what changes with the bytes: device, inode, size, and the times of the last change.
/// </summary>
internal static class ModelIdentity
{
    /// <summary>Bytes of an identity.</summary>
    public const int ByteCount = 32;

    /// <summary>
    /// Number of our arithmetic: raised by every change after which a model gives other logits (golden hashes change), so that what was
    /// computed before is not continued.
    /// </summary>
    public const int Arithmetic = 1;

    private const int MostRemembered = 256;

    // A file that changes twice within the clock's tick keeps its times: what changed just now is not remembered (git calls such files
    // racy).
    private static readonly TimeSpan SettledAfter = TimeSpan.FromSeconds(2);

    /// <summary>The identity of an open model [32 bytes].</summary>
    /// <param name="folder">Where hashes are remembered; null: nowhere. It is made when it is missing; where it can't be written, nothing
    /// is remembered.</param>
    /// <exception cref="ObjectDisposedException">The file was disposed of meanwhile.</exception>
    public static byte[] Of(GgufFile file, string? folder, CancellationToken cancellation = default)
    {
        byte[][] hashes = [.. file.Maps.Select(map => OfMap(map, folder, cancellation)),
            .. file.IsFolder ? [OfKeys(file.Metadata)] : Array.Empty<byte[]>()];
        return hashes is [byte[] only] ? only : SHA256.HashData([.. hashes.SelectMany(hash => hash)]);
    }

    /// <summary>Keeps the hash of a file's bytes, known from writing it.</summary>
    public static void Remember(string path, ReadOnlySpan<byte> hash, string folder)
    {
        if (FileStatus.Of(path)?.Stamp is { } stamp) Keep(folder, stamp, hash);
    }

    private static byte[] OfMap(MappedFile map, string? folder, CancellationToken cancellation)
    {
        FileStamp? before = map.Stamp;
        if (folder is not null && before is not null && Recall(folder, before) is { } known) return known;
        byte[] hash = Hash(map, cancellation);
        if (folder is not null && before is not null && before == map.Stamp && DateTime.UtcNow - before.Changed > SettledAfter)
            Keep(folder, before, hash);
        return hash;
    }

    /// <summary>Hash of all keys and values but those about the model's name and origin.</summary>
    private static byte[] OfKeys(GgufMetadata metadata)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach ((string key, GgufValue value) in metadata)
        {
            if (key.StartsWith("general.", StringComparison.Ordinal)) continue;
            hash.AppendData(Encoding.UTF8.GetBytes(key));
            hash.AppendData([0, (byte)value.Type, (byte)(value.ItemType ?? 0)]);
            hash.AppendData(BitConverter.GetBytes((long)value.Bytes.Length));
            hash.AppendData(value.Bytes);
        }
        return hash.GetHashAndReset();
    }

    // Through the file, not the map: pages that are read once don't count as this process's memory, and a file that is closed meanwhile is
    // an exception.
    private static byte[] Hash(MappedFile map, CancellationToken cancellation)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(1 << 20);
        try
        {
            for (long at = 0; at < map.Length;)
            {
                cancellation.ThrowIfCancellationRequested();
                int count = map.Read(at, buffer);
                if (count == 0) throw new IOException("the model's file became shorter while it was read");
                hash.AppendData(buffer, 0, count);
                at += count;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        return hash.GetHashAndReset();
    }

    private static byte[]? Recall(string folder, FileStamp stamp)
    {
        try
        {
            byte[] kept = InputFile.Read(Path.Combine(folder, stamp.FileName), ByteCount);
            return kept.Length == ByteCount ? kept : null;
        }
        catch (FileException)
        {
            return null;
        }
    }

    private static void Keep(string folder, FileStamp stamp, ReadOnlySpan<byte> hash)
    {
        try
        {
            Directory.CreateDirectory(folder);
            byte[] bytes = hash.ToArray();
            AtomicFile.Write(Path.Combine(folder, stamp.FileName), file => file.Write(bytes), waitsForDisk: false);
            foreach (FileInfo old in new DirectoryInfo(folder).GetFiles(FileStamp.Pattern)
                .OrderByDescending(file => file.LastWriteTimeUtc).Skip(MostRemembered))
                old.Delete();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It is computed again next time.
        }
    }
}
