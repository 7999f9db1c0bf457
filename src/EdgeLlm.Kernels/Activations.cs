namespace EdgeLlm.Kernels;

/// <summary>
/// Activations [tokens, Columns] in int8 for packed weights: x ~ Scales[c / 256] * 2^Shifts[c / 32] * Values[c]. Columns is a multiple of
/// 32. Points into a scratch buffer that somebody else owns.
/// </summary>
internal readonly unsafe struct PackedActivations
{
    public const int BlockColumns = 32;
    public const int ScaleColumns = 256;

    /// <summary>Blocks that share a scale; fewer at a row's end.</summary>
    public const int ScaleBlocks = ScaleColumns / BlockColumns;

    /// <summary>
    /// Carves the four arrays for <paramref name="tokens"/> tokens out of <paramref name="buffer"/> (64-byte aligned,
    /// <see cref="ByteCount"/> long).
    /// </summary>
    public PackedActivations(byte* buffer, int tokens, int columns)
    {
        Columns = columns;
        Blocks = columns / BlockColumns;
        ScaleCount = (columns + ScaleColumns - 1) / ScaleColumns;
        Values = (sbyte*)buffer;
        Scales = (float*)(buffer + Align((long)tokens * columns));
        Shifts = (int*)((byte*)Scales + Align((long)tokens * ScaleCount * sizeof(float)));
        Sums = (int*)((byte*)Shifts + Align((long)tokens * Blocks * sizeof(int)));
    }

    public int Columns { get; }

    /// <summary>Whether activations are rotated before they are rounded, for weights that are (<see cref="Formats.Rotation"/>).</summary>
    public bool IsRotated { get; init; }

    /// <summary>Columns / 32.</summary>
    public int Blocks { get; }

    /// <summary>Columns / 256, rounded up.</summary>
    public int ScaleCount { get; }

    /// <summary>[tokens, Columns], each in [-127, 127].</summary>
    public sbyte* Values { get; }

    /// <summary>[tokens, ScaleCount].</summary>
    public float* Scales { get; }

    /// <summary>[tokens, Blocks], from 0 to 3: what a block's multiplier 1, 2, 4 or 8 shifts by.</summary>
    public int* Shifts { get; }

    /// <summary>[tokens, Columns / 16]: the sum of each 16 values.</summary>
    public int* Sums { get; }

    public static long ByteCount(int tokens, int columns)
    {
        long blocks = (long)tokens * (columns / BlockColumns), scales = (long)tokens * ((columns + ScaleColumns - 1) / ScaleColumns);
        return Align(blocks * BlockColumns) + Align(scales * sizeof(float)) + Align(blocks * sizeof(int)) + Align(blocks * 2 * sizeof(int));
    }

    private static long Align(long bytes) => (bytes + 63) & ~63L;
}

/// <summary>
/// Activations [tokens, Columns] in int8, one float scale per 32 columns: x ~ Scales[c / 32] * Values[c]. Columns is a multiple of 32.
/// Points into a scratch buffer that somebody else owns.
/// </summary>
internal readonly unsafe struct QuantizedActivations
{
    public const int BlockColumns = 32;

    /// <summary>
    /// Carves the four arrays for <paramref name="tokens"/> tokens out of <paramref name="buffer"/> (64-byte aligned,
    /// <see cref="ByteCount"/> long).
    /// </summary>
    public QuantizedActivations(byte* buffer, int tokens, int columns)
    {
        Columns = columns;
        Blocks = columns / BlockColumns;
        long cells = (long)tokens * Blocks;
        Values = (sbyte*)buffer;
        Scales = (float*)(buffer + Align(cells * BlockColumns));
        Sums = (int*)((byte*)Scales + Align(cells * sizeof(float)));
        ScaledSums = (float*)((byte*)Sums + Align(cells * 2 * sizeof(int)));
    }

    public int Columns { get; }

    /// <summary>Columns / 32.</summary>
    public int Blocks { get; }

    /// <summary>[tokens, Columns], each in [-127, 127].</summary>
    public sbyte* Values { get; }

    /// <summary>[tokens, Blocks].</summary>
    public float* Scales { get; }

    /// <summary>[tokens, Columns / 16]: the sum of each 16 values.</summary>
    public int* Sums { get; }

    /// <summary>[tokens, Blocks]: scale times the sum of the block's 32 values.</summary>
    public float* ScaledSums { get; }

    public static long ByteCount(int tokens, int columns)
    {
        long cells = (long)tokens * (columns / BlockColumns);
        return Align(cells * BlockColumns) + Align(cells * sizeof(float)) + Align(cells * 2 * sizeof(int)) + Align(cells * sizeof(float));
    }

    private static long Align(long bytes) => (bytes + 63) & ~63L;
}
