namespace EdgeLlm.Kernels;

/// <summary>
/// The queries that look at one key/value head: <see cref="Tokens"/> tokens at consecutive positions, each with <see cref="GroupSize"/>
/// heads side by side. Query (t, g) begins at Queries + t * Stride + g * dimension, its output likewise.
/// </summary>
internal unsafe struct AttentionQuery
{
    public float* Queries;
    public float* Output;

    /// <summary>Floats from one token to the next, in both.</summary>
    public nint Stride;

    public int Tokens;
    public int GroupSize;

    /// <summary>
    /// Position of the first token: token t sees the keys of positions up to FirstPosition + t, and <see cref="After"/> more.
    /// </summary>
    public int FirstPosition;

    /// <summary>How many positions a token sees, its own among them; 0: all.</summary>
    public int Window;

    /// <summary>How many positions after its own a token sees, of those that there are.</summary>
    public int After;

    /// <summary>Positions that there are; read where <see cref="After"/> is not 0.</summary>
    public int Keys;

    /// <summary>Factor of the scores, usually 1 / sqrt(dimension).</summary>
    public float Scale;

    /// <summary>Soft cap of the scaled scores, cap * tanh(score / cap); 0: none.</summary>
    public float Cap;

    /// <summary>[GroupSize]: a score loses this times the distance of the key (ALiBi); null: nothing.</summary>
    public float* Slopes;

    /// <summary>[GroupSize]: a score of each head that takes part in the softmax without a value; null: none.</summary>
    public float* Sinks;

    /// <summary>The first position that token <paramref name="token"/> sees.</summary>
    public readonly int FirstKey(int token) => Window == 0 ? 0 : Math.Max(0, FirstPosition + token - Window + 1);

    /// <summary>The last position that token <paramref name="token"/> sees.</summary>
    public readonly int LastKey(int token) =>
        After == 0 ? FirstPosition + token : (int)Math.Min(Keys - 1, (long)FirstPosition + token + After);
}

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

/// <summary>How the key/value cache stores its numbers.</summary>
public enum KeyValueType
{
    /// <summary>IEEE half precision, the default: 2 bytes a number.</summary>
    F16,

    /// <summary>Single precision: 4 bytes a number.</summary>
    F32,

    /// <summary>int8 with one float scale per head and position: 1 byte a number and 4 a head.</summary>
    I8,
}
