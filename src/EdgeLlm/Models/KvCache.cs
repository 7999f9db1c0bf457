using System.Buffers.Binary;
using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models;

/// <summary>
/// What a model keeps of one conversation: the entries that its steps ask for, one after the other. An entry of keys and values is [heads], each
/// contiguous over its positions.
/// </summary>
public sealed unsafe class KvCache : IDisposable
{
    private const int MostBytesAtOnce = 1 << 30;

    private static ReadOnlySpan<byte> FileMark => "EDGEKV01"u8;

    private readonly AlignedBuffer _memory;
    private readonly Entry[] _entries;
    private volatile bool _disposed;

    /// <param name="entries">Those that the model's steps ask for.</param>
    /// <param name="capacity">Positions that it can hold.</param>
    /// <param name="vocabulary">Logits of a token.</param>
    internal KvCache(IReadOnlyList<CacheSpec> entries, int capacity, KeyValueType type, int vocabulary)
    {
        Type = type;
        Capacity = capacity;
        _entries = new Entry[entries.Count];
        long bytes = 0;
        for (int i = 0; i < _entries.Length; i++)
        {
            _entries[i] = new Entry(entries[i], bytes, capacity, type);
            bytes += _entries[i].ByteCount;
        }
        _memory = new AlignedBuffer(bytes);
        Logits = GC.AllocateUninitializedArray<float>(vocabulary, pinned: true);
    }

    /// <summary>How its numbers are stored.</summary>
    public KeyValueType Type { get; }

    /// <summary>Positions that it can hold.</summary>
    public int Capacity { get; }

    /// <summary>Positions that it holds.</summary>
    public int Length { get; private set; }

    /// <summary>[vocabulary] of the last token that was computed. Managed (and pinned): a span of them outlives the cache.</summary>
    internal float[] Logits { get; }

    /// <summary>Held by a pass, a save or a load, so that <see cref="Dispose"/> frees nothing under it.</summary>
    internal Lock InUse { get; } = new();

    /// <summary>Bytes that the entries of a cache of this capacity take when full.</summary>
    internal static long ByteCount(IEnumerable<CacheSpec> entries, int capacity, KeyValueType type) => entries.Sum(spec => new Entry(spec, 0, capacity, type).ByteCount);

    /// <summary>Bytes allocated for the entries.</summary>
    internal long AllocatedBytes => _memory.Bytes;

    /// <summary>Forgets the positions from <paramref name="length"/> on.</summary>
    public void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ThrowIfDisposed();
        Length = Math.Min(Length, length);
    }

    /// <summary>Gives the memory back. A pass that computes with it ends with <see cref="ObjectDisposedException"/> at its next layer, which is waited for.</summary>
    public void Dispose()
    {
        _disposed = true;
        if (InUse.IsHeldByCurrentThread) return; // from within a stream that Save writes to: the finalizer gives the memory back
        lock (InUse) _memory.Dispose();
    }

    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, this);

    internal void Advance(int tokens) => Length += tokens;

    /// <summary>A head of an entry of keys and values.</summary>
    internal KeyValueHead Head(int entry, int head)
    {
        ref readonly Entry place = ref _entries[entry];
        byte* start = _memory.Start + place.Offset + head * place.HeadBytes;
        byte* values = start + place.KeyBytes;
        float* keyScales = (float*)(values + place.KeyBytes);
        return new KeyValueHead(Type, place.KeyValue.Dimension, start, values, keyScales, keyScales + Padded(Capacity));
    }

    /// <summary>Writes the positions that it holds: a mark, length, type, then each head's whole tiles of keys, values and scales.</summary>
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

    /// <summary>Reads what <see cref="Save"/> wrote for the same model.</summary>
    /// <exception cref="InvalidDataException">It is no such data, of another type, longer than this cache, or cut off.</exception>
    internal void Load(Stream stream)
    {
        using Lock.Scope use = InUse.EnterScope();
        ThrowIfDisposed();
        Length = 0;
        Span<byte> header = stackalloc byte[16];
        if (stream.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) < header.Length || !header.StartsWith(FileMark))
            throw new InvalidDataException("not a saved conversation of this version");
        int length = BinaryPrimitives.ReadInt32LittleEndian(header[8..]), type = BinaryPrimitives.ReadInt32LittleEndian(header[12..]);
        if (type != (int)Type) throw new InvalidDataException($"saved with a cache of another type than {Type}");
        if (length < 0 || length > Capacity) throw new InvalidDataException($"saved with {length} positions, this context has {Capacity}");
        ForEachPart((start, bytes) =>
        {
            var part = new Span<byte>((void*)start, bytes);
            if (stream.ReadAtLeast(part, part.Length, throwOnEndOfStream: false) < part.Length) throw new InvalidDataException("the saved conversation is cut off");
        }, length);
        Length = length;
    }

    private void ForEachPart(Action<nint, int> action, int length)
    {
        long positions = Padded(length);
        for (int entry = 0; entry < _entries.Length; entry++)
        {
            KeyValueSpec spec = _entries[entry].KeyValue;
            long numberBytes = positions * spec.Dimension * KeyValueHead.ElementBytes(Type);
            for (int h = 0; h < spec.Heads; h++)
            {
                KeyValueHead head = Head(entry, h);
                InPieces((nint)head.Keys, numberBytes);
                InPieces((nint)head.Values, numberBytes);
                if (Type != KeyValueType.I8) continue;
                InPieces((nint)head.KeyScales, positions * sizeof(float));
                InPieces((nint)head.ValueScales, positions * sizeof(float));
            }
        }

        void InPieces(nint start, long bytes)
        {
            for (long done = 0; done < bytes; done += MostBytesAtOnce)
            {
                ThrowIfDisposed();
                action(start + (nint)done, (int)Math.Min(MostBytesAtOnce, bytes - done));
            }
        }
    }

    private static long Padded(int positions) => ((long)positions + KeyValueHead.TilePositions - 1) / KeyValueHead.TilePositions * KeyValueHead.TilePositions;

    /// <summary>Where an entry is.</summary>
    private readonly struct Entry
    {
        public Entry(CacheSpec spec, long offset, int capacity, KeyValueType type)
        {
            KeyValue = (KeyValueSpec)spec;
            Offset = offset;
            KeyBytes = Padded(capacity) * KeyValue.Dimension * KeyValueHead.ElementBytes(type);
            long scales = type == KeyValueType.I8 ? 2 * Padded(capacity) * sizeof(float) : 0;
            HeadBytes = (2 * KeyBytes + scales + 63) & ~63L;
            ByteCount = HeadBytes * KeyValue.Heads;
        }

        public KeyValueSpec KeyValue { get; }

        /// <summary>Its first byte in the cache.</summary>
        public long Offset { get; }

        /// <summary>Bytes of a head's keys, and of its values.</summary>
        public long KeyBytes { get; }

        /// <summary>Bytes from a head to the next.</summary>
        public long HeadBytes { get; }

        public long ByteCount { get; }
    }
}
