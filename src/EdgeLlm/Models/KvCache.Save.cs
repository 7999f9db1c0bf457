using System.Buffers.Binary;

namespace EdgeLlm.Models;

/// <summary>
/// A cache in a file: a mark, length, type, then of each entry the whole tiles of each head that later tokens see, or the state.
/// </summary>
public sealed unsafe partial class KvCache
{
    private const int MostBytesAtOnce = 1 << 30;

    private static ReadOnlySpan<byte> FileMark => "EDGEKV02"u8;

    /// <summary>Writes the positions that it holds.</summary>
    internal void Save(Stream stream)
    {
        using Lock.Scope use = InUse.EnterScope();
        ThrowIfDisposed();
        Span<byte> header = stackalloc byte[16];
        FileMark.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header[8..], Length);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], (int)Type);
        stream.Write(header);
        ForEachPart((start, bytes) => stream.Write(new ReadOnlySpan<byte>((void*)start, bytes)), Length);
    }

    /// <summary>Reads what <see cref="Save"/> wrote for the same model; its checkpoints are not there.</summary>
    /// <exception cref="InvalidDataException">It is not such data, of another type, longer than this cache, or cut off.</exception>
    internal void Load(Stream stream)
    {
        using Lock.Scope use = InUse.EnterScope();
        Truncate(0);
        Span<byte> header = stackalloc byte[16];
        if (stream.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) < header.Length || !header.StartsWith(FileMark))
            throw new InvalidDataException("not a saved conversation of this version");
        int length = BinaryPrimitives.ReadInt32LittleEndian(header[8..]), type = BinaryPrimitives.ReadInt32LittleEndian(header[12..]);
        if (type != (int)Type) throw new InvalidDataException($"saved with a cache of another type than {Type}");
        if (length < 0 || length > Capacity) throw new InvalidDataException($"saved with {length} positions, this context has {Capacity}");
        ForEachPart((start, bytes) =>
        {
            var part = new Span<byte>((void*)start, bytes);
            if (stream.ReadAtLeast(part, part.Length, throwOnEndOfStream: false) < part.Length)
                throw new InvalidDataException("the saved conversation is cut off");
        }, length);
        foreach (CacheEntry entry in _entries) entry.Restore(length);
        Length = length;
    }

    private void ForEachPart(Action<nint, int> action, int length)
    {
        if (length == 0) return;
        foreach (CacheEntry entry in _entries)
        {
            if (entry.KeyValue is null) InPieces(entry.Offset + _current * entry.StateBytes, entry.StateBytes);
            else
                foreach ((long offset, long bytes) in entry.Pieces(entry.FirstTileSeen(length), CacheEntry.TilesOf(length)))
                    InPieces(offset, bytes);
        }

        void InPieces(long offset, long bytes)
        {
            for (long done = 0; done < bytes; done += MostBytesAtOnce)
            {
                ThrowIfDisposed();
                action((nint)_memory.Start + (nint)(offset + done), (int)Math.Min(MostBytesAtOnce, bytes - done));
            }
        }
    }
}
