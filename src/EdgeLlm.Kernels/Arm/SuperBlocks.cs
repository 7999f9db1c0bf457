using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// A type with blocks of 256 columns. A value of the struct stands for one sub-block of 32 columns and knows where in a block its bits are.
/// </summary>
internal unsafe interface ISuperBlockFormat<TSelf> where TSelf : struct, ISuperBlockFormat<TSelf>
{
    static abstract int BlockBytes { get; }

    /// <summary>True where each 16 columns have a scale, else each 32.</summary>
    static virtual bool HasScalePer16 => false;

    static virtual bool HasOffset => false;

    /// <summary>Offset of the stored codes: weight = scale * (code - Bias).</summary>
    static virtual int Bias => 0;

    /// <summary>Sub-block 0 to 7.</summary>
    static abstract TSelf At(int subBlock);

    /// <summary>The codes of the sub-block's columns 0 to 15 and 16 to 31, from 0 to 63.</summary>
    RowCodes Load(byte* block);

    /// <summary>Writes the scales of eight rows' blocks, [8 or 16 scales][8 rows], and their offsets likewise.</summary>
    static abstract void LoadScales(byte** blocks, ref HalfLanes converter, float* scales, float* offsets);
}

/// <summary>
/// d, dmin, scales[12], nibbles[128]: sub-block 2k has the low nibbles of bytes 32k to 32k + 31, sub-block 2k + 1 the high ones.
/// </summary>
internal readonly unsafe struct Q4_KBlock : ISuperBlockFormat<Q4_KBlock>
{
    private readonly nint nibbles;
    private readonly Vector128<sbyte> shift;

    private Q4_KBlock(int subBlock)
    {
        nibbles = 16 + subBlock / 2 * 32;
        shift = Vector128.Create((sbyte)(subBlock % 2 * -4));
    }

    public static int BlockBytes => 144;

    public static bool HasOffset => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Q4_KBlock At(int subBlock) => new(subBlock);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public RowCodes Load(byte* block)
    {
        byte* source = block + nibbles;
        Vector128<byte> first = AdvSimd.ShiftLogical(Vector128.Load(source), shift) & Vector128.Create((byte)15);
        Vector128<byte> second = AdvSimd.ShiftLogical(Vector128.Load(source + 16), shift) & Vector128.Create((byte)15);
        return new RowCodes(first.AsSByte(), second.AsSByte());
    }

    public static void LoadScales(byte** blocks, ref HalfLanes converter, float* scales, float* offsets)
    {
        Vector128<ushort>* columns = stackalloc Vector128<ushort>[8];
        ScaleLanes.Transpose(blocks, 0, columns);
        RowLanes d = converter.ToFloat(columns[0]), minimum = converter.ToFloat(columns[1]).Negate();
        Vector128<byte> six = Vector128.Create((byte)63), four = Vector128.Create((byte)15), top = Vector128.Create((byte)0x30);
        for (int pair = 0; pair < 2; pair++)
        {
            // Sub-blocks 2 pair and 2 pair + 1, then those four further on, which have their upper two bits beside the first ones' six.
            Vector128<byte> s = columns[2 + pair].AsByte(), m = columns[4 + pair].AsByte(), both = columns[6 + pair].AsByte();
            ScaleLanes.StorePair((s & six).AsUInt16(), d, scales + 16 * pair);
            ScaleLanes.StorePair((m & six).AsUInt16(), minimum, offsets + 16 * pair);
            ScaleLanes.StorePair(((both & four) | (s >> 2 & top)).AsUInt16(), d, scales + 32 + 16 * pair);
            ScaleLanes.StorePair((both >> 4 | (m >> 2 & top)).AsUInt16(), minimum, offsets + 32 + 16 * pair);
        }
    }
}

/// <summary>
/// low[128], high[64], scales[16] int8, d: of the four sub-blocks in a half block, sub-block g has nibble g / 2 of low bytes 32 (g % 2)
/// on and bits 2g and 2g + 1 of the high bytes.
/// </summary>
internal readonly unsafe struct Q6_KBlock : ISuperBlockFormat<Q6_KBlock>
{
    private readonly nint low;
    private readonly nint high;
    private readonly Vector128<sbyte> lowShift;
    private readonly Vector128<sbyte> highShift;

    private Q6_KBlock(int subBlock)
    {
        int half = subBlock / 4, g = subBlock % 4;
        low = half * 64 + g % 2 * 32;
        high = 128 + half * 32;
        lowShift = Vector128.Create((sbyte)(g / 2 * -4));
        highShift = Vector128.Create((sbyte)(4 - 2 * g));
    }

    public static int BlockBytes => 210;

    public static bool HasScalePer16 => true;

    public static int Bias => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Q6_KBlock At(int subBlock) => new(subBlock);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public RowCodes Load(byte* block) =>
        new(Join(block + low, block + high), Join(block + low + 16, block + high + 16));

    public static void LoadScales(byte** blocks, ref HalfLanes converter, float* scales, float* offsets)
    {
        RowLanes d = converter.Load(blocks[0] + 208, blocks[1] + 208, blocks[2] + 208, blocks[3] + 208, blocks[4] + 208, blocks[5] + 208,
            blocks[6] + 208, blocks[7] + 208);
        Vector128<ushort>* columns = stackalloc Vector128<ushort>[8];
        ScaleLanes.Transpose(blocks, 192, columns);
        for (int pair = 0; pair < 8; pair++) ScaleLanes.StorePair(columns[pair].AsInt16(), d, scales + 16 * pair);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector128<sbyte> Join(byte* lowBits, byte* highBits)
    {
        Vector128<byte> nibbles = AdvSimd.ShiftLogical(Vector128.Load(lowBits), lowShift) & Vector128.Create((byte)15);
        Vector128<byte> top = AdvSimd.ShiftLogical(Vector128.Load(highBits), highShift) & Vector128.Create((byte)0x30);
        return (nibbles | top).AsSByte();
    }
}

/// <summary>The integer scales of eight rows' blocks of 256, brought from a row each to a lane a row.</summary>
internal static unsafe class ScaleLanes
{
    /// <summary>columns[k], lane r = the two bytes at blocks[r] + offset + 2k.</summary>
    public static void Transpose(byte** blocks, nint offset, Vector128<ushort>* columns)
    {
        // A zip turns the six bits of an element's place (row, column) by one: three bring the column to the front.
        Vector128<ushort> a = Load(blocks[0] + offset), b = Load(blocks[1] + offset), c = Load(blocks[2] + offset),
            d = Load(blocks[3] + offset);
        Vector128<ushort> e = Load(blocks[4] + offset), f = Load(blocks[5] + offset), g = Load(blocks[6] + offset),
            h = Load(blocks[7] + offset);
        for (int turn = 0; turn < 3; turn++)
        {
            (Vector128<ushort> a1, Vector128<ushort> b1) = (AdvSimd.Arm64.ZipLow(a, e), AdvSimd.Arm64.ZipHigh(a, e));
            (Vector128<ushort> c1, Vector128<ushort> d1) = (AdvSimd.Arm64.ZipLow(b, f), AdvSimd.Arm64.ZipHigh(b, f));
            (Vector128<ushort> e1, Vector128<ushort> f1) = (AdvSimd.Arm64.ZipLow(c, g), AdvSimd.Arm64.ZipHigh(c, g));
            (g, h) = (AdvSimd.Arm64.ZipLow(d, h), AdvSimd.Arm64.ZipHigh(d, h));
            (a, b, c, d, e, f) = (a1, b1, c1, d1, e1, f1);
        }
        (columns[0], columns[1], columns[2], columns[3]) = (a, b, c, d);
        (columns[4], columns[5], columns[6], columns[7]) = (e, f, g, h);
    }

    /// <summary>factor times the low bytes, then factor times the high bytes: [2][8 rows].</summary>
    public static void StorePair(Vector128<ushort> bytes, RowLanes factor, float* target)
    {
        Store((bytes & Vector128.Create((ushort)0xFF)).AsInt16(), factor, target);
        Store((bytes >> 8).AsInt16(), factor, target + 8);
    }

    /// <summary>Stores signed bytes as scaled floats.</summary>
    public static void StorePair(Vector128<short> bytes, RowLanes factor, float* target)
    {
        Store(bytes << 8 >> 8, factor, target);
        Store(bytes >> 8, factor, target + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector128<short> integers, RowLanes factor, float* target)
    {
        (AdvSimd.ConvertToSingle(Vector128.WidenLower(integers)) * factor.Low).Store(target);
        (AdvSimd.ConvertToSingle(Vector128.WidenUpper(integers)) * factor.High).Store(target + 4);
    }

    private static Vector128<ushort> Load(byte* source) => Vector128.Load((ushort*)source);
}
