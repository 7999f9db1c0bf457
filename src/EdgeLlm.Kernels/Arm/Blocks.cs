using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>A type with blocks of 32 columns that begin with a half scale, then a half offset where there is one.</summary>
internal unsafe interface IBlockFormat
{
    static abstract int BlockBytes { get; }

    static virtual bool HasOffset => false;

    /// <summary>True where eight products of codes and activations fit an int16 (no code is beyond 32).</summary>
    static virtual bool IsNarrow => true;

    /// <summary>Offset of the stored codes: weight = scale * (code - Bias).</summary>
    static virtual int Bias => 0;

    /// <summary>True where a block begins with the exponent of a power of two in a byte, instead of a half.</summary>
    static virtual bool HasExponent => false;

    /// <summary>The codes of columns 0 to 15 and 16 to 31.</summary>
    static abstract RowCodes Load(byte* block);
}

/// <summary>d, nibbles[16]</summary>
internal readonly unsafe struct Q4_0Block : IBlockFormat
{
    public static int BlockBytes => 18;

    public static int Bias => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RowCodes Load(byte* block) => RowCodes.OfNibbles(block + 2);
}

/// <summary>d, m, nibbles[16]</summary>
internal readonly unsafe struct Q4_1Block : IBlockFormat
{
    public static int BlockBytes => 20;

    public static bool HasOffset => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RowCodes Load(byte* block) => RowCodes.OfNibbles(block + 4);
}

/// <summary>d, high bits (uint32), nibbles[16]</summary>
internal readonly unsafe struct Q5_0Block : IBlockFormat
{
    public static int BlockBytes => 22;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RowCodes Load(byte* block)
    {
        Vector128<byte> nibbles = Vector128.Load(block + 6);
        // The four bytes of high bits, inverted: a code without its high bit is 16 less than its nibble, 0xF0 above it in two's complement.
        Vector128<byte> missing = ~Vector128.Load(block + 2);
        Vector128<byte> bit = Vector128.Create(0x8040201008040201ul).AsByte();
        Vector128<byte> first =
            AdvSimd.CompareTest(AdvSimd.Arm64.VectorTableLookup(missing, Vector128.Create(0ul, 0x0101010101010101).AsByte()), bit);
        Vector128<byte> second = AdvSimd.CompareTest(
            AdvSimd.Arm64.VectorTableLookup(missing, Vector128.Create(0x0202020202020202ul, 0x0303030303030303).AsByte()), bit);
        return new RowCodes(AdvSimd.ShiftLeftAndInsert(nibbles & Vector128.Create((byte)15), first, 4).AsSByte(),
            AdvSimd.ShiftLeftAndInsert(nibbles >> 4, second, 4).AsSByte());
    }
}

/// <summary>d, q[32]</summary>
internal readonly unsafe struct Q8_0Block : IBlockFormat
{
    public static int BlockBytes => 34;

    public static bool IsNarrow => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RowCodes Load(byte* block) => new(Vector128.Load((sbyte*)block + 2), Vector128.Load((sbyte*)block + 18));
}

/// <summary>d, nibbles[16] that count in a table</summary>
internal readonly unsafe struct IQ4_NLBlock : IBlockFormat
{
    public static int BlockBytes => 18;

    public static bool IsNarrow => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RowCodes Load(byte* block)
    {
        RowCodes nibbles = RowCodes.OfNibbles(block + 2);
        Vector128<sbyte> table = Vector128.Create(CodePoints.IQ4);
        return new RowCodes(AdvSimd.Arm64.VectorTableLookup(table, nibbles.First),
            AdvSimd.Arm64.VectorTableLookup(table, nibbles.Second));
    }
}

/// <summary>e, nibbles[16] that count in a table whose values are doubled: 2^(e - 128) * value.</summary>
internal readonly unsafe struct MXFP4Block : IBlockFormat
{
    public static int BlockBytes => 17;

    public static bool HasExponent => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RowCodes Load(byte* block)
    {
        RowCodes nibbles = RowCodes.OfNibbles(block + 1);
        Vector128<sbyte> table = Vector128.Create(CodePoints.DoubledE2M1);
        return new RowCodes(AdvSimd.Arm64.VectorTableLookup(table, nibbles.First),
            AdvSimd.Arm64.VectorTableLookup(table, nibbles.Second));
    }

    /// <summary>
    /// The scales of eight blocks, as <see cref="BlockUnpacker"/> has them: e - 1 is the float's exponent, and below 2 the float is
    /// subnormal.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RowLanes Scales(byte* p0, byte* p1, byte* p2, byte* p3, byte* p4, byte* p5, byte* p6, byte* p7)
    {
        Vector64<byte> bytes = AdvSimd.LoadAndReplicateToVector64(p0);
        bytes = AdvSimd.LoadAndInsertScalar(bytes, 1, p1);
        bytes = AdvSimd.LoadAndInsertScalar(bytes, 2, p2);
        bytes = AdvSimd.LoadAndInsertScalar(bytes, 3, p3);
        bytes = AdvSimd.LoadAndInsertScalar(bytes, 4, p4);
        bytes = AdvSimd.LoadAndInsertScalar(bytes, 5, p5);
        bytes = AdvSimd.LoadAndInsertScalar(bytes, 6, p6);
        bytes = AdvSimd.LoadAndInsertScalar(bytes, 7, p7);
        Vector128<ushort> exponents = AdvSimd.ZeroExtendWideningLower(bytes);
        return new RowLanes(Power(AdvSimd.ZeroExtendWideningLower(exponents.GetLower())),
            Power(AdvSimd.ZeroExtendWideningUpper(exponents)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Power(Vector128<uint> e)
    {
        Vector128<uint> subnormal = AdvSimd.ShiftLogical(Vector128.Create(0x0020_0000u), e.AsInt32()),
            normal = e - Vector128<uint>.One << 23;
        return Vector128.ConditionalSelect(Vector128.GreaterThan(e, Vector128<uint>.One), normal, subnormal).AsSingle();
    }
}
