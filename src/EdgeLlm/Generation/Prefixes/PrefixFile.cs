using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using EdgeLlm.Files;
using EdgeLlm.Models;
using Microsoft.Win32.SafeHandles;

namespace EdgeLlm.Generation.Prefixes;

/// <summary>
/// A file of prefixes. Little endian: mark (8 bytes); key of the model and its way of computing (32); bytes of the index (int64) and of the
/// file (int64); SHA-256 of all of that and the index (32); the index; then the parts, each at a multiple of 64 bytes, in the index's
/// order. The index: bytes of a page and of a checkpoint (int64 each), owner, variant, model's name (strings of
/// <see cref="BinaryWriter"/>), number of nodes (int32) and of each: id and parent's id (16 bytes each), position of its first token,
/// instructions, number of tokens, of checkpoints (int32 each), tokens (int32 each), SHA-256 of the page (32 bytes; zeros: none), length
/// (int32) and SHA-256 of each checkpoint. A file is never changed. What is read is checked first: what is in a map can change or be cut
/// off while it is used, which ends a process, so it is not mapped.
/// </summary>
internal sealed class PrefixFile : IDisposable
{
    public const string Extension = ".kv";

    /// <summary>Bytes of a node's id: the first of the SHA-256 of its parent's id and its tokens.</summary>
    public const int IdBytes = 16;

    private const int HashBytes = 32, HeaderBytes = 8 + HashBytes + 8 + 8 + HashBytes, MostIndexBytes = 64 << 20, Alignment = 64;

    private readonly SafeFileHandle _handle;

    private PrefixFile(string path, SafeFileHandle handle) => (Path, _handle) = (path, handle);

    private static ReadOnlySpan<byte> Mark => "EDGEPFX1"u8;

    public string Path { get; }

    /// <summary>Bytes of the file.</summary>
    public long Bytes { get; private init; }

    /// <summary>Bytes of a page.</summary>
    public int PageBytes { get; private init; }

    /// <summary>Bytes of a checkpoint.</summary>
    public int CheckpointBytes { get; private init; }

    public PrefixScope Scope { get; private init; }

    /// <summary>Name of the model.</summary>
    public string ModelName { get; private init; } = "";

    /// <summary>Key of the model and its way of computing [32].</summary>
    public byte[] Key { get; private init; } = [];

    /// <summary>In the order of their positions.</summary>
    public IReadOnlyList<StoredNode> Nodes { get; private init; } = [];

    /// <summary>When it was last used: <see cref="Environment.TickCount64"/>; 0: not by this process.</summary>
    public long Used { get; set; }

    /// <summary>A part of it was not what was written.</summary>
    public bool IsDamaged { get; set; }

    /// <summary>Beginning of a file's name where it is kept for a model.</summary>
    public static string PrefixOf(ReadOnlySpan<byte> key) => Convert.ToHexStringLower(key[..8]) + "-";

    /// <summary>The id of a node.</summary>
    public static byte[] IdOf(ReadOnlySpan<byte> parent, ReadOnlySpan<int> tokens)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(parent);
        hash.AppendData(System.Runtime.InteropServices.MemoryMarshal.AsBytes(tokens));
        return hash.GetHashAndReset()[..IdBytes];
    }

    /// <summary>Opens a file and reads its index; its parts are read and checked when they are used.</summary>
    /// <exception cref="InvalidDataException">It is not such a file, or damaged.</exception>
    /// <exception cref="FileException">It can't be read.</exception>
    public static PrefixFile Open(string path)
    {
        SafeFileHandle handle = InputFile.OpenHandle(path);
        try
        {
            Span<byte> header = stackalloc byte[HeaderBytes];
            if (!ReadAll(handle, header, 0) || !header.StartsWith(Mark))
                throw new InvalidDataException("not a file of prefixes of this version");
            long indexBytes = BinaryPrimitives.ReadInt64LittleEndian(header[(8 + HashBytes)..]),
                fileBytes = BinaryPrimitives.ReadInt64LittleEndian(header[(16 + HashBytes)..]);
            if (indexBytes is < 0 or > MostIndexBytes) throw new InvalidDataException("its header is damaged");
            if (RandomAccess.GetLength(handle) != fileBytes)
                throw new InvalidDataException($"it has {RandomAccess.GetLength(handle)} bytes and says {fileBytes}: cut off or damaged");
            byte[] index = new byte[indexBytes];
            if (!ReadAll(handle, index, HeaderBytes)) throw new InvalidDataException("it is cut off");
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            hash.AppendData(header[..^HashBytes]);
            hash.AppendData(index);
            if (!hash.GetHashAndReset().AsSpan().SequenceEqual(header[^HashBytes..]))
                throw new InvalidDataException("its index is damaged");
            return Parse(path, handle, header.Slice(8, HashBytes).ToArray(), index, fileBytes);
        }
        catch (Exception exception) when (exception is EndOfStreamException or OverflowException or ArgumentException
            or DecoderFallbackException or FormatException)
        {
            handle.Dispose();
            throw new InvalidDataException("its index is damaged", exception);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Reads a part; false where it can't be read or is not what was written.</summary>
    public bool TryRead(StoredPart part, Span<byte> to)
    {
        Span<byte> hash = stackalloc byte[HashBytes];
        try
        {
            if (!ReadAll(_handle, to, part.Offset)) return false;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            return false;
        }
        SHA256.HashData(to, hash);
        return hash.SequenceEqual(part.Hash);
    }

    /// <summary>Writes a file.</summary>
    /// <param name="nodes">Parents before those that follow them. Hashes and offsets of their parts are filled in.</param>
    /// <param name="copy">Copies a node's part (the length of a checkpoint, or 0: its page) out; false where it is gone, and no file is
    /// made then.</param>
    /// <param name="isPrivate">Whether only its user may read it.</param>
    /// <exception cref="FileException">It can't be written.</exception>
    public static bool Write(
        string path, byte[] key, PrefixScope scope, string modelName, int pageBytes, int checkpointBytes, IReadOnlyList<StoredNode> nodes,
        PartCopier copy, bool isPrivate = true)
    {
        byte[] index = IndexOf(scope, modelName, pageBytes, checkpointBytes, nodes);
        long next = Aligned(HeaderBytes + index.Length);
        byte[] buffer = new byte[Math.Max(pageBytes, checkpointBytes)];
        using var file = AtomicFile.Create(path);
        bool isWhole = file.Write(stream =>
        {
            if (isPrivate && !OperatingSystem.IsWindows())
                File.SetUnixFileMode(stream.SafeFileHandle, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            foreach (StoredNode node in nodes)
            {
                for (int i = node.HasPage ? -1 : 0; i < node.Checkpoints.Length; i++)
                {
                    int length = i < 0 ? 0 : node.Checkpoints[i].Length;
                    Span<byte> bytes = buffer.AsSpan(0, i < 0 ? pageBytes : checkpointBytes);
                    if (!copy(node, length, bytes)) return false;
                    var part = new StoredPart(next, SHA256.HashData(bytes), length);
                    if (i < 0) node.Page = part;
                    else node.Checkpoints[i] = part;
                    stream.Position = next;
                    stream.Write(bytes);
                    next = Aligned(next + bytes.Length);
                }
            }
            stream.SetLength(next);
            index = IndexOf(scope, modelName, pageBytes, checkpointBytes, nodes);
            byte[] header = new byte[HeaderBytes];
            Mark.CopyTo(header);
            key.CopyTo(header, 8);
            BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(8 + HashBytes), index.Length);
            BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(16 + HashBytes), next);
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            hash.AppendData(header.AsSpan(0, HeaderBytes - HashBytes));
            hash.AppendData(index);
            hash.GetHashAndReset().CopyTo(header, HeaderBytes - HashBytes);
            stream.Position = 0;
            stream.Write(header);
            stream.Write(index);
            return true;
        });
        if (isWhole) file.Complete();
        return isWhole;
    }

    /// <summary>Copies a node's part out.</summary>
    public delegate bool PartCopier(StoredNode node, int length, Span<byte> to);

    public void Dispose() => _handle.Dispose();

    private static byte[] IndexOf(PrefixScope scope, string modelName, int pageBytes, int checkpointBytes, IReadOnlyList<StoredNode> nodes)
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes, Encoding.UTF8);
        writer.Write((long)pageBytes);
        writer.Write((long)checkpointBytes);
        writer.Write(scope.Owner);
        writer.Write(scope.Variant);
        writer.Write(modelName);
        writer.Write(nodes.Count);
        foreach (StoredNode node in nodes)
        {
            writer.Write(node.Id);
            writer.Write(node.ParentId);
            writer.Write(node.Start);
            writer.Write(node.Instructions);
            writer.Write(node.Tokens.Length);
            writer.Write(node.Checkpoints.Length);
            foreach (int token in node.Tokens) writer.Write(token);
            writer.Write(node is { HasPage: true, Page.Hash: { } hash } ? hash : new byte[HashBytes]);
            foreach (StoredPart checkpoint in node.Checkpoints)
            {
                writer.Write(checkpoint.Length);
                writer.Write(checkpoint.Hash ?? new byte[HashBytes]);
            }
        }
        writer.Flush();
        return bytes.ToArray();
    }

    private static PrefixFile Parse(string path, SafeFileHandle handle, byte[] key, byte[] index, long fileBytes)
    {
        using var reader = new BinaryReader(new MemoryStream(index), new UTF8Encoding(false, throwOnInvalidBytes: true));
        long pageBytes = reader.ReadInt64(), checkpointBytes = reader.ReadInt64();
        if (pageBytes is < 0 or > int.MaxValue || checkpointBytes is < 0 or > int.MaxValue) throw new FormatException();
        string owner = reader.ReadString(), variant = reader.ReadString(), name = reader.ReadString();
        int count = reader.ReadInt32();
        if (count < 0 || count > index.Length / IdBytes) throw new FormatException();
        var nodes = new StoredNode[count];
        long next = Aligned(HeaderBytes + index.Length);
        for (int i = 0; i < count; i++)
        {
            byte[] id = reader.ReadBytes(IdBytes), parentId = reader.ReadBytes(IdBytes);
            int start = reader.ReadInt32(), instructions = reader.ReadInt32(), tokenCount = reader.ReadInt32(),
                checkpointCount = reader.ReadInt32();
            if (start < 0 || start % KvCache.PagePositions != 0 || tokenCount is < 1 or > KvCache.PagePositions || instructions < 0
                || instructions > tokenCount
                || checkpointCount is < 0 or > KvCache.PagePositions || (checkpointBytes == 0 && checkpointCount > 0))
                throw new FormatException();
            int[] tokens = new int[tokenCount];
            for (int t = 0; t < tokenCount; t++) tokens[t] = reader.ReadInt32();
            var node = new StoredNode(id, parentId, start, tokens, instructions) { Checkpoints = new StoredPart[checkpointCount] };
            byte[] pageHash = reader.ReadBytes(HashBytes);
            if (pageBytes > 0 && pageHash.AsSpan().ContainsAnyExcept((byte)0))
            {
                (node.HasPage, node.Page) = (true, new StoredPart(next, pageHash, 0));
                next = Aligned(next + pageBytes);
            }
            for (int c = 0; c < checkpointCount; c++)
            {
                int length = reader.ReadInt32();
                if (length <= start || length > start + tokenCount) throw new FormatException();
                node.Checkpoints[c] = new StoredPart(next, reader.ReadBytes(HashBytes), length);
                next = Aligned(next + checkpointBytes);
            }
            if (!IdOf(parentId, tokens).AsSpan().SequenceEqual(id)) throw new FormatException();
            nodes[i] = node;
        }
        if (next != fileBytes) throw new FormatException();
        return new PrefixFile(path, handle)
        {
            Bytes = fileBytes,
            Key = key,
            Scope = new PrefixScope(owner, variant),
            ModelName = name,
            Nodes = nodes,
            PageBytes = (int)pageBytes,
            CheckpointBytes = (int)checkpointBytes,
        };
    }

    private static long Aligned(long offset) => (offset + Alignment - 1) / Alignment * Alignment;

    private static bool ReadAll(SafeFileHandle handle, Span<byte> to, long offset)
    {
        while (to.Length > 0)
        {
            int count = RandomAccess.Read(handle, to, offset);
            if (count == 0) return false;
            to = to[count..];
            offset += count;
        }
        return true;
    }
}

/// <summary>Where in a file a part is.</summary>
/// <param name="Hash">SHA-256 of its bytes [32].</param>
/// <param name="Length">Of a checkpoint: how many positions it is after. Of a page: 0.</param>
internal readonly record struct StoredPart(long Offset, byte[] Hash, int Length);

/// <summary>A node in a file.</summary>
/// <param name="ParentId">Zeros: the root.</param>
/// <param name="Start">Position of its first token.</param>
/// <param name="Instructions">How many of its tokens belong to instructions.</param>
internal sealed record StoredNode(byte[] Id, byte[] ParentId, int Start, int[] Tokens, int Instructions)
{
    public bool HasPage { get; set; }

    public StoredPart Page { get; set; }

    public StoredPart[] Checkpoints { get; init; } = [];
}
