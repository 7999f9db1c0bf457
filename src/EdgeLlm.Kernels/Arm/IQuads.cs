using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>How the codes of four columns of four rows become int8 values.</summary>
internal unsafe interface IQuads
{
    /// <summary>From one 32 columns to the next.</summary>
    static abstract int BlockBytes { get; }

    /// <param name="codebook">Values of the codes 0 to 15.</param>
    /// <param name="upper">Those of 16 to 31.</param>
    /// <param name="quad">Which four of the 32 columns.</param>
    /// <param name="half">Which four of the eight rows.</param>
    static abstract Vector128<sbyte> Values(byte* block, Vector128<sbyte> codebook, Vector128<sbyte> upper, [ConstantExpected] int quad,
        [ConstantExpected] int half);
}

/// <summary>E5: the lower four bits, with the fifth above them, look up in two registers.</summary>
internal readonly unsafe struct E5Quads : IQuads
{
    public static int BlockBytes => 160;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Values(byte* block, Vector128<sbyte> codebook, Vector128<sbyte> upper, [ConstantExpected] int quad,
        [ConstantExpected] int half)
    {
        Vector128<byte> codes = AdvSimd.LoadVector128(block + (32 * (quad & 3) + 16 * half)),
            bits = AdvSimd.LoadVector128(block + (PackedLayout.HighBits + 16 * half));
        codes = quad < 4 ? codes & Vector128.Create((byte)15) : codes >>> 4;
        bits = quad < 4 ? bits << (4 - quad) : bits >>> (quad - 4);
        codes = AdvSimd.BitwiseSelect(Vector128.Create((byte)16), bits, codes);
        return AdvSimd.Arm64.VectorTableLookup((codebook, upper), codes.AsSByte());
    }
}

/// <summary>E3: windows of four bits of rings of 24.</summary>
internal readonly unsafe struct E3Quads : IQuads
{
    public static int BlockBytes => 96;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Values(byte* block, Vector128<sbyte> codebook, Vector128<sbyte> upper, [ConstantExpected] int quad,
        [ConstantExpected] int half)
    {
        Vector128<byte> low = AdvSimd.LoadVector128(block + 16 * half), middle = AdvSimd.LoadVector128(block + (32 + 16 * half)),
            high = AdvSimd.LoadVector128(block + (64 + 16 * half));
        Vector128<byte> mask = Vector128.Create((byte)15);
        Vector128<byte> codes = quad switch
        {
            0 => low & mask,
            1 => low >>> 3 & mask,
            2 => AdvSimd.ShiftLeftAndInsert(low >>> 6, middle, 2) & mask,
            3 => middle >>> 1 & mask,
            4 => middle >>> 4,
            5 => AdvSimd.ShiftLeftAndInsert(middle >>> 7, high, 1) & mask,
            6 => high >>> 2 & mask,
            _ => AdvSimd.ShiftLeftAndInsert(high >>> 5, low, 3) & mask,
        };
        return AdvSimd.Arm64.VectorTableLookup(codebook, codes.AsSByte());
    }
}
