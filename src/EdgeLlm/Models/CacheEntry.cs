using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models;

/// <summary>
/// Where an entry of a <see cref="KvCache"/> is, and what of it a checkpoint keeps. Keys and values are [heads], each contiguous over its
/// tiles of 32 positions; those of a window are a ring of tiles, where tile t of the positions is in place t % tiles. A state is there
/// twice: as it was before a pass, and as the pass leaves it.
/// </summary>
internal sealed class CacheEntry
{
    /// <summary>Positions that a ring has beyond its window and a pass.</summary>
    private const int Spare = 8;

    private readonly KeyValueType _type;

    /// <param name="offset">Its first byte in the cache.</param>
    /// <param name="chunk">Most tokens of a pass.</param>
    public CacheEntry(CacheSpec spec, long offset, int capacity, int chunk, KeyValueType type)
    {
        (_type, Offset) = (type, offset);
        if (spec is StateSpec state)
        {
            StateNumbers = state.Numbers;
            StateBytes = Align((long)state.Numbers * sizeof(float));
            (ByteCount, CheckpointBytes) = (2 * StateBytes, StateBytes);
            return;
        }
        KeyValue = (KeyValueSpec)spec;
        long all = TilesOf(capacity);
        // A window may begin anywhere in a tile, and end so.
        Tiles = KeyValue.Window == 0 ? all : Math.Min(all, TilesOf((long)KeyValue.Window + chunk + Spare) + 1);
        IsRing = Tiles < all;
        KeyBytes = Tiles * TileBytes;
        HeadBytes = HeadBytesOf(Tiles);
        ByteCount = HeadBytes * KeyValue.Heads;
        if (IsRing) CheckpointBytes = HeadBytesOf(TilesOf(KeyValue.Window) + 1) * KeyValue.Heads;
        else PageBytes = (2 * TileBytes + (_type == KeyValueType.I8 ? 2 * KeyValueHead.TilePositions * sizeof(float) : 0)) * KeyValue.Heads;
    }

    /// <summary>Its keys and values; null: it is a state.</summary>
    public KeyValueSpec? KeyValue { get; }

    /// <summary>Its first byte in the cache.</summary>
    public long Offset { get; }

    public long ByteCount { get; }

    /// <summary>Bytes that a checkpoint keeps of it.</summary>
    public long CheckpointBytes { get; }

    /// <summary>Bytes of its keys and values of a tile, where it holds those of all positions; else 0.</summary>
    public long PageBytes { get; }

    /// <summary>Name of the layout of its bytes outside a cache.</summary>
    public string LayoutName =>
        KeyValue is null ? $"state:{StateBytes}" : $"{(IsRing ? $"ring{KeyValue.Window}" : "all")}:{KeyValue.Heads}x{KeyValue.Dimension}";

    /// <summary>Tiles of positions that there is room for.</summary>
    public long Tiles { get; }

    public bool IsRing { get; }

    /// <summary>Bytes of a head's keys, and of its values.</summary>
    public long KeyBytes { get; }

    /// <summary>Bytes from a head to the next.</summary>
    public long HeadBytes { get; }

    /// <summary>Numbers of a state.</summary>
    public int StateNumbers { get; }

    /// <summary>Bytes of a state, rounded up to 64.</summary>
    public long StateBytes { get; }

    /// <summary>The first tile that has not been overwritten by later positions.</summary>
    public long FirstTile { get; private set; }

    /// <summary>Tiles that this many positions take.</summary>
    public static long TilesOf(long positions) => (positions + KeyValueHead.TilePositions - 1) / KeyValueHead.TilePositions;

    /// <summary>The first tile that the token after this many positions sees.</summary>
    public long FirstTileSeen(int length) =>
        KeyValue!.Window == 0 ? 0 : Math.Max(0, (long)length - KeyValue.Window + 1) / KeyValueHead.TilePositions;

    /// <summary>Whether the token after this many positions finds all that it sees. Of keys and values.</summary>
    public bool Reaches(int length) => FirstTileSeen(length) >= FirstTile;

    /// <summary>Positions up to this length are being written: in a ring, over earlier ones.</summary>
    public void Write(int length) => FirstTile = Math.Max(FirstTile, TilesOf(length) - Tiles);

    /// <summary>It has been filled with no more than what the token after this many positions sees.</summary>
    public void Restore(int length) => FirstTile = KeyValue is null ? 0 : FirstTileSeen(length);

    /// <summary>Nothing is in it.</summary>
    public void Clear() => FirstTile = 0;

    /// <summary>
    /// The bytes of these tiles in the cache, as few pieces as they are contiguous in: of each head keys, values, and the scales of both
    /// where there are any. The same pieces for the same tiles of every cache, but where a ring's end divides one.
    /// </summary>
    public IEnumerable<(long Offset, long Bytes)> Pieces(long firstTile, long endTile)
    {
        const long Scales = KeyValueHead.TilePositions * sizeof(float);
        for (int head = 0; head < KeyValue!.Heads; head++)
        {
            long start = Offset + head * HeadBytes;
            foreach ((long part, long bytes) in PartsOfTile())
            {
                for (long tile = firstTile; tile < endTile;)
                {
                    long place = tile % Tiles, count = Math.Min(endTile - tile, Tiles - place);
                    yield return (start + part + place * bytes, count * bytes);
                    tile += count;
                }
            }
        }

        IEnumerable<(long Offset, long Bytes)> PartsOfTile()
        {
            yield return (0, TileBytes);
            yield return (KeyBytes, TileBytes);
            if (_type != KeyValueType.I8) yield break;
            yield return (2 * KeyBytes, Scales);
            yield return (2 * KeyBytes + Tiles * Scales, Scales);
        }
    }

    private long TileBytes => (long)KeyValueHead.TilePositions * KeyValue!.Dimension * KeyValueHead.ElementBytes(_type);

    private long HeadBytesOf(long tiles) =>
        Align(tiles * (2 * TileBytes + (_type == KeyValueType.I8 ? 2 * KeyValueHead.TilePositions * sizeof(float) : 0)));

    private static long Align(long bytes) => (bytes + 63) & ~63L;
}
