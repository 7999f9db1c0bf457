namespace EdgeLlm.Kernels;

/// <summary>
/// The cache of one key/value head in one layer. Positions are in tiles of <see cref="TilePositions"/>: keys transposed, so that a score is
/// one lane's own chain of multiply-adds and needs no reduction across lanes; values position by position. Owns nothing.
/// </summary>
internal readonly unsafe struct KeyValueHead(KeyValueType type, int dimension, byte* keys, byte* values, float* keyScales,
    float* valueScales, int tiles)
{
    /// <summary>Positions a tile; tile t of the positions holds 32t to 32t + 31 whatever the chunk that brought them.</summary>
    public const int TilePositions = 32;

    public KeyValueType Type { get; } = type;

    /// <summary>Numbers a key or value has.</summary>
    public int Dimension { get; } = dimension;

    /// <summary>[tiles][Dimension][32] numbers of <see cref="Type"/>.</summary>
    public byte* Keys { get; } = keys;

    /// <summary>[positions][Dimension] numbers of <see cref="Type"/>.</summary>
    public byte* Values { get; } = values;

    /// <summary>[positions]; for I8 only.</summary>
    public float* KeyScales { get; } = keyScales;

    /// <summary>[positions]; for I8 only.</summary>
    public float* ValueScales { get; } = valueScales;

    /// <summary>Tiles that there is room for: fewer than the positions have where a window sees the last of them alone.</summary>
    public int Tiles { get; } = tiles;

    /// <summary>Where tile <paramref name="tile"/> of the positions is.</summary>
    public int PlaceOf(int tile) => tile < Tiles ? tile : tile % Tiles;

    public static int ElementBytes(KeyValueType type) => type switch { KeyValueType.F32 => 4, KeyValueType.F16 => 2, _ => 1 };
}
