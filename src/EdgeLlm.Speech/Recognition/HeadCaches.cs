using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;

namespace EdgeLlm.Speech.Recognition;

/// <summary>Keys and values of all heads and layers of a stack, for up to a number of positions.</summary>
internal sealed unsafe class HeadCaches : IDisposable
{
    private readonly AlignedBuffer _memory;
    private readonly KeyValueType _type;
    private readonly int _layers;
    private readonly int _heads;
    private readonly int _dimension;
    private readonly int _tiles;
    private readonly long _headBytes; // of keys, and of values

    public HeadCaches(KeyValueType type, int layers, int heads, int dimension, int positions)
    {
        (_type, _layers, _heads, _dimension) = (type, layers, heads, dimension);
        _tiles = (positions + KeyValueHead.TilePositions - 1) / KeyValueHead.TilePositions;
        Positions = positions;
        _headBytes = (long)_tiles * KeyValueHead.TilePositions * dimension * KeyValueHead.ElementBytes(type);
        _memory = new AlignedBuffer(checked(2 * _headBytes * heads * layers));
        for (long done = 0; done < _memory.Bytes; done += 1 << 30)
            new Span<byte>(_memory.Start + done, (int)Math.Min(1 << 30, _memory.Bytes - done)).Clear();
    }

    /// <summary>Bytes of a given number of positions.</summary>
    public static long ByteCount(KeyValueType type, int layers, int heads, int dimension, int positions)
    {
        long tiles = (positions + KeyValueHead.TilePositions - 1) / KeyValueHead.TilePositions;
        return 2 * tiles * KeyValueHead.TilePositions * dimension * KeyValueHead.ElementBytes(type) * heads * layers;
    }

    /// <summary>Most positions.</summary>
    public int Positions { get; }

    /// <summary>Bytes of its memory.</summary>
    public long AllocatedBytes => _memory.Bytes;

    /// <summary>Positions that are filled.</summary>
    public int Length { get; set; }

    public KeyValueHead Head(int layer, int head)
    {
        byte* keys = _memory.Start + 2 * _headBytes * (layer * (long)_heads + head);
        return new KeyValueHead(_type, _dimension, keys, keys + _headBytes, null, null, _tiles);
    }

    /// <summary>Drops a given number of tiles of the first positions and moves the others there.</summary>
    public void DropTiles(int tiles)
    {
        long tileBytes = (long)KeyValueHead.TilePositions * _dimension * KeyValueHead.ElementBytes(_type),
            kept = (_tiles - tiles) * tileBytes;
        for (int layer = 0; layer < _layers; layer++)
        {
            for (int head = 0; head < _heads; head++)
            {
                KeyValueHead one = Head(layer, head);
                Buffer.MemoryCopy(one.Keys + tiles * tileBytes, one.Keys, kept, kept);
                Buffer.MemoryCopy(one.Values + tiles * tileBytes, one.Values, kept, kept);
            }
        }
    }

    /// <summary>Takes up the positions of another one of the same shape.</summary>
    public void CopyFrom(HeadCaches other)
    {
        Length = other.Length;
        long bytes = (long)((Length + KeyValueHead.TilePositions - 1) / KeyValueHead.TilePositions) * KeyValueHead.TilePositions
            * _dimension * KeyValueHead.ElementBytes(_type);
        for (int layer = 0; layer < _layers; layer++)
        {
            for (int head = 0; head < _heads; head++)
            {
                KeyValueHead from = other.Head(layer, head), to = Head(layer, head);
                Buffer.MemoryCopy(from.Keys, to.Keys, bytes, bytes);
                Buffer.MemoryCopy(from.Values, to.Values, bytes, bytes);
            }
        }
    }

    /// <summary>The keys of a head as floats.</summary>
    /// <param name="to">Receives [dimension][length]; positions that are not filled hold anything.</param>
    /// <param name="length">A multiple of 32, at most what there is room for.</param>
    public void CopyKeys(int layer, int head, float[] to, int length)
    {
        KeyValueHead from = Head(layer, head);
        const int Tile = KeyValueHead.TilePositions;
        int elementBytes = KeyValueHead.ElementBytes(_type);
        fixed (float* start = to)
        {
            for (int tile = 0; tile < length / Tile; tile++)
            {
                for (int d = 0; d < _dimension; d++)
                {
                    byte* keys = from.Keys + ((long)tile * _dimension + d) * Tile * elementBytes;
                    Dequantizer.ToFloat(_type == KeyValueType.F32 ? ElementType.F32 : ElementType.F16, keys,
                        start + (nint)d * length + tile * Tile, Tile);
                }
            }
        }
    }

    public void Dispose() => _memory.Dispose();
}
