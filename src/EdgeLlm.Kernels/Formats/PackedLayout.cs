namespace EdgeLlm.Kernels.Formats;

/// <summary>
/// Where the bytes of a packed matrix lie. Eight rows are a group, one contiguous chunk: float rowScale[8]; sbyte subScale[columns / g][8];
/// zeros up to a multiple of 64; then per 32 columns
/// E4: byte q[4][8 rows][4], byte (l, row, i) has the code of column 4l + i in its lower half and that of 16 + 4l + i in the upper one;
/// E8: sbyte q[8][8 rows][4], byte (l, row, i) is the value of column 4l + i.
/// </summary>
/// <param name="packing">Not None.</param>
/// <param name="columns">A multiple of 32.</param>
internal readonly struct PackedLayout(Packing packing, int columns)
{
    public const int GroupRows = 8;

    /// <summary>Columns that a matrix has multiples of.</summary>
    public const int BlockColumns = 32;

    public const int Alignment = 64;

    /// <summary>From a group's start to its first sub-scale.</summary>
    public const int SubScaleOffset = GroupRows * sizeof(float);

    public const int CodebookLength = 16;

    /// <summary>The largest magnitude in a codebook: two products with an activation and 64 on top still fit an int16.</summary>
    public const int CodebookLimit = 63;

    public Packing Packing { get; } = packing;

    public int Columns { get; } = columns;

    public bool HasCodebook => Packing != Packing.E8Group32;

    /// <summary>g: columns that share a sub-scale.</summary>
    public int ScaleColumns => Packing == Packing.E4Group16 ? 16 : 32;

    /// <summary>Largest magnitude of a sub-scale: the sums over 256 columns fit an int32.</summary>
    public int SubScaleLimit => HasCodebook ? 127 : 63;

    /// <summary>From one 32 columns of a group to the next.</summary>
    public int BlockBytes => HasCodebook ? 128 : 256;

    /// <summary>From a group's start to its codes.</summary>
    public long CodeOffset => (SubScaleOffset + (long)Columns / ScaleColumns * GroupRows + Alignment - 1) & ~(Alignment - 1L);

    public long GroupBytes => CodeOffset + (long)Columns / BlockColumns * BlockBytes;

    public long ByteCount(int rows) => ((long)rows + GroupRows - 1) / GroupRows * GroupBytes;
}
