using System.Buffers.Binary;
using EdgeLlm.Kernels;

namespace EdgeLlm.Models;

/// <summary>The keys and values of one conversation: [layers][kvHeads] heads, each contiguous over its positions.</summary>
public sealed unsafe class KvCache : IDisposable
{
    private const int MostBytesAtOnce = 1 << 30;

    private static ReadOnlySpan<byte> FileMark => "EDGEKV01"u8;

    private readonly AlignedBuffer _memory;
    private readonly ModelConfig _config;
    private readonly long _keyBytes;
    private readonly long _headBytes;
    private volatile bool _disposed;

    internal KvCache(ModelConfig config, int capacity, KeyValueType type)
    {
        Type = type;
        Capacity = capacity;
        _config = config;
        (_keyBytes, _headBytes) = HeadBytes(config, capacity, type);
        _memory = new AlignedBuffer(_headBytes * config.KeyValueHeadCount * config.BlockCount);
        Logits = GC.AllocateUninitializedArray<float>(config.VocabularySize, pinned: true);
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

    /// <summary>Whether it was disposed of; a pass that still computes with it ends at its next layer.</summary>
    internal bool IsDisposed => _disposed;

    /// <summary>Bytes that a cache of this capacity takes when full.</summary>
    internal static long ByteCount(ModelConfig config, int capacity, KeyValueType type) =>
        HeadBytes(config, capacity, type).Head * config.KeyValueHeadCount * config.BlockCount;

    /// <summary>Bytes allocated for keys and values.</summary>
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

    internal KeyValueHead Head(int layer, int head)
    {
        byte* start = _memory.Start + ((long)layer * _config.KeyValueHeadCount + head) * _headBytes;
        byte* values = start + _keyBytes;
        float* keyScales = (float*)(values + _keyBytes);
        return new KeyValueHead(Type, _config.HeadDimension, start, values, keyScales, keyScales + Padded(Capacity));
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
        long positions = Padded(length), numberBytes = positions * _config.HeadDimension * KeyValueHead.ElementBytes(Type);
        for (int layer = 0; layer < _config.BlockCount; layer++)
        {
            for (int h = 0; h < _config.KeyValueHeadCount; h++)
            {
                KeyValueHead head = Head(layer, h);
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

    private static (long Keys, long Head) HeadBytes(ModelConfig config, int capacity, KeyValueType type)
    {
        long keys = Padded(capacity) * config.HeadDimension * KeyValueHead.ElementBytes(type);
        long scales = type == KeyValueType.I8 ? 2 * Padded(capacity) * sizeof(float) : 0;
        return (keys, (2 * keys + scales + 63) & ~63L);
    }

    private static long Padded(int positions) => ((long)positions + KeyValueHead.TilePositions - 1) / KeyValueHead.TilePositions * KeyValueHead.TilePositions;
}
