using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Formats;

/// <summary>
/// How a packed matrix stores its values; docs/quantization.md has the layout. What a GGUF file calls ordinary is <see cref="None"/>.
/// </summary>
internal enum Packing
{
    /// <summary>Not packed: an <see cref="ElementType"/> says how.</summary>
    None,
    /// <summary>4 bits that index a codebook, a sub-scale per 32 columns.</summary>
    E4Group32,
    /// <summary>4 bits that index a codebook, a sub-scale per 16 columns.</summary>
    E4Group16,
    /// <summary>8 bits, a sub-scale per 32 columns.</summary>
    E8Group32,
    /// <summary>5 bits that index a codebook, a sub-scale per 32 columns.</summary>
    E5Group32,
    /// <summary>3 bits a weight: rings of 8 weights whose overlapping 4 bits index a codebook, a sub-scale per 32 columns.</summary>
    E3Group32,
}

/// <summary>
/// Layout of the bytes of a packed matrix. Eight rows are a group, one contiguous chunk: float rowScale[8]; sbyte subScale[columns / g][8];
/// zeros up to a multiple of 64; then per 32 columns, and zeros up to a multiple of 64,
/// E4: byte q[4][8 rows][4], byte (l, row, i) has the code of column 4l + i in its lower half and that of 16 + 4l + i in the upper one;
/// E5: the same of the codes' lower four bits; then byte h[8 rows][4], bit z of byte (row, i) is bit 4 of the code of column 4z + i;
/// E3: byte r[3][8 rows][4], bytes (0, row, i) to (2, row, i) are a ring of 24 bits; column 4j + i has the four bits that begin at bit 3j,
/// cyclic; E8: sbyte q[8][8 rows][4], byte (l, row, i) is the value of column 4l + i.
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

    /// <summary>From a block of E5 to the upper bits of its codes.</summary>
    public const int HighBits = 128;

    /// <summary>Codes of E4 and E3.</summary>
    public const int FourBitCodes = 16;

    /// <summary>Codes of E5.</summary>
    public const int FiveBitCodes = 32;

    /// <summary>The largest magnitude in a codebook: two products with an activation and 64 on top still fit an int16.</summary>
    public const int CodebookLimit = 63;

    public Packing Packing { get; } = packing;

    public int Columns { get; } = columns;

    /// <summary>Whether each 32 columns of the weights are stored as <see cref="Rotation"/> has them.</summary>
    public bool IsRotated { get; init; }

    public bool HasCodebook => Packing != Packing.E8Group32;

    /// <summary>Values of a codebook; a file has as many zeros for E8.</summary>
    public int CodebookLength => Packing == Packing.E5Group32 ? FiveBitCodes : FourBitCodes;

    /// <summary>g: columns that share a sub-scale.</summary>
    public int ScaleColumns => Packing == Packing.E4Group16 ? 16 : 32;

    /// <summary>Largest magnitude of a sub-scale: the sums over 256 columns fit an int32.</summary>
    public int SubScaleLimit => HasCodebook ? 127 : 63;

    /// <summary>From one 32 columns of a group to the next.</summary>
    public int BlockBytes => Packing switch
    {
        Packing.E8Group32 => 256,
        Packing.E5Group32 => 160,
        Packing.E3Group32 => 96,
        _ => 128,
    };

    /// <summary>From a group's start to its codes.</summary>
    public long CodeOffset => (SubScaleOffset + (long)Columns / ScaleColumns * GroupRows + Alignment - 1) & ~(Alignment - 1L);

    public long GroupBytes => (CodeOffset + (long)Columns / BlockColumns * BlockBytes + Alignment - 1) & ~(Alignment - 1L);

    /// <summary>Sets the code of a row and column in the codes of an E4 or E5 group, which are zero there.</summary>
    public void SetCode(Span<byte> codes, int row, int column, int code)
    {
        Span<byte> block = codes[(column / BlockColumns * BlockBytes)..];
        int place = row * 4 + column % 4;
        block[column % 16 / 4 * 4 * GroupRows + place] |= (byte)((code & 15) << (column % BlockColumns < 16 ? 0 : 4));
        if (code > 15) block[HighBits + place] |= (byte)(1 << column % BlockColumns / 4);
    }

    /// <summary>Sets the ring of a row that has the columns 4j + i, j = 0 to 7, of 32 in the codes of an E3 group.</summary>
    public void SetRing(Span<byte> codes, int row, int block, int i, int ring)
    {
        for (int part = 0; part < 3; part++) codes[block * BlockBytes + part * 4 * GroupRows + row * 4 + i] = (byte)(ring >> 8 * part);
    }

    /// <summary>The code of a row and a column of the 32 in <paramref name="block"/>; not of E8.</summary>
    public int Code(ReadOnlySpan<byte> block, int row, int column)
    {
        int place = row * 4 + column % 4, quad = column / 4;
        if (Packing == Packing.E3Group32)
        {
            int ring = block[place] | block[4 * GroupRows + place] << 8 | block[8 * GroupRows + place] << 16;
            return (ring >> 3 * quad | ring << (24 - 3 * quad)) & 15;
        }
        int low = block[column % 16 / 4 * 4 * GroupRows + place] >> (column < 16 ? 0 : 4) & 15;
        return Packing == Packing.E5Group32 ? low | (block[HighBits + place] >> quad & 1) << 4 : low;
    }

    public long ByteCount(int rows) => ((long)rows + GroupRows - 1) / GroupRows * GroupBytes;
}

/// <summary>Reads packed rows, value by value.</summary>
internal static unsafe class PackedRows
{
    /// <summary>The integers of 32 columns: codebook values or int8 values, without scales.</summary>
    /// <param name="group">The row's group of eight.</param>
    /// <param name="row">The row in its group.</param>
    public static void Unpack(in PackedLayout layout, byte* group, Vector256<sbyte> codebook, int row, int block, sbyte* q)
    {
        var codes = new ReadOnlySpan<byte>(group + layout.CodeOffset + (nint)block * layout.BlockBytes, layout.BlockBytes);
        for (int j = 0; j < 32; j++)
            q[j] = layout.HasCodebook ? codebook.GetElement(layout.Code(codes, row, j)) : (sbyte)codes[j / 4 * 32 + 4 * row + j % 4];
    }

    public static float RowScale(byte* group, int row) => ((float*)group)[row];

    /// <param name="run">Counts the columns that share a sub-scale.</param>
    public static int SubScale(byte* group, int row, int run) =>
        ((sbyte*)group)[PackedLayout.SubScaleOffset + (nint)run * PackedLayout.GroupRows + row];

    /// <summary>A row's weights as floats: rowScale * (float)(subScale * value), turned back where they are rotated.</summary>
    /// <param name="data">The matrix.</param>
    public static void ToFloat(in PackedLayout layout, byte* data, Vector256<sbyte> codebook, int row, float* destination)
    {
        byte* group = data + row / PackedLayout.GroupRows * layout.GroupBytes;
        ToFloat(layout, new ReadOnlySpan<byte>(group, checked((int)layout.GroupBytes)), codebook, row % PackedLayout.GroupRows,
            new Span<float>(destination, layout.Columns));
    }

    /// <summary>Dequantizes one row of a group of eight.</summary>
    public static void ToFloat(in PackedLayout layout, ReadOnlySpan<byte> group, Vector256<sbyte> codebook,
        int row, Span<float> destination)
    {
        float rowScale = MemoryMarshal.Cast<byte, float>(group)[row];
        ReadOnlySpan<sbyte> subScales = MemoryMarshal.Cast<byte, sbyte>(group[(PackedLayout.SubScaleOffset + row)..]);
        int runs = PackedLayout.BlockColumns / layout.ScaleColumns;
        bool areNibbles = layout.Packing is Packing.E4Group32 or Packing.E4Group16;
        Span<float> values = stackalloc float[PackedLayout.FourBitCodes];
        for (int code = 0; code < values.Length; code++) values[code] = codebook.GetElement(code);
        // what the codes of a block's halves stand for
        Span<float> low = stackalloc float[PackedLayout.FourBitCodes], high = stackalloc float[PackedLayout.FourBitCodes];
        for (int block = 0; block < layout.Columns / PackedLayout.BlockColumns; block++)
        {
            ReadOnlySpan<byte> blockCodes = group.Slice((int)layout.CodeOffset + block * layout.BlockBytes, layout.BlockBytes),
                codes = blockCodes[(4 * row)..];
            Span<float> weights = destination.Slice(block * PackedLayout.BlockColumns, PackedLayout.BlockColumns);
            int subScale = subScales[block * runs * PackedLayout.GroupRows],
                nextSubScale = subScales[((block + 1) * runs - 1) * PackedLayout.GroupRows];
            if (areNibbles)
            {
                for (int code = 0; code < values.Length; code += 4)
                {
                    Vector128<float> four = Vector128.Create<float>(values[code..]);
                    (four * subScale * rowScale).CopyTo(low[code..]); // the first product is exact
                    (four * nextSubScale * rowScale).CopyTo(high[code..]);
                }
                for (int j = 0; j < 16; j++)
                {
                    int code = codes[j / 4 * 32 + j % 4];
                    weights[j] = low[code & 15];
                    weights[16 + j] = high[code >> 4];
                }
            }
            else if (layout.HasCodebook)
            {
                for (int j = 0; j < 32; j++) weights[j] = rowScale * (subScale * codebook.GetElement(layout.Code(blockCodes, row, j)));
            }
            else
            {
                for (int j = 0; j < 32; j++) weights[j] = rowScale * (subScale * (sbyte)codes[j / 4 * 32 + j % 4]);
            }
        }
        if (layout.IsRotated) Rotation.Apply(destination);
    }
}
