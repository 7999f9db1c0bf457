using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Kernels.X86;

/// <summary>Codes of 32 columns out of packed bits.</summary>
internal static unsafe class CodeBits
{
    /// <summary>
    /// 16 bytes from each of two rows, the upper one a later one: with those before it, which a blend drops. (A blend costs Zen half of an
    /// insertion.)
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Pair(byte* lower, byte* upper) =>
        Avx2.Blend(Vector128.Load((uint*)lower).ToVector256Unsafe(), Vector256.Load((uint*)(upper - 16)), 0xF0).AsByte();

    /// <summary>The low nibbles of 16 bytes, and the high ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Nibbles(byte* lower, byte* upper, out Vector256<byte> first, out Vector256<byte> second)
    {
        Vector256<byte> bytes = Pair(lower, upper);
        first = bytes & Vector256.Create((byte)15);
        second = (bytes.AsUInt16() >> 4).AsByte() & Vector256.Create((byte)15);
    }

    /// <summary>The bits of each of 16 bytes that <paramref name="mask"/> says, counted from <paramref name="shift"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Field(byte* lower, byte* upper, int shift, byte mask) =>
        (Pair(lower, upper).AsUInt16() >> shift).AsByte() & Vector256.Create(mask);

    /// <summary>Bit fields of 16 bytes of each row, moved up by <paramref name="to"/> bits. (Bytes have no shift of their own.)</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Field(byte* lower, byte* upper, int shift, byte mask, int to) =>
        (Field(lower, upper, shift, mask).AsUInt16() << to).AsByte();

    /// <summary>Adds 16 to the codes whose bit is set: bit j of the 32 for column j.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddFifth(byte* lower, byte* upper, ref Vector256<byte> first, ref Vector256<byte> second)
    {
        Vector256<byte> bits = Vector256.Create(Vector128.Create(*(uint*)lower), Vector128.Create(*(uint*)upper)).AsByte();
        Vector256<byte> bit = Vector256.Create(0x8040201008040201).AsByte(), sixteen = Vector256.Create((byte)16);
        Vector256<byte> low = Avx2.Shuffle(bits, Vector256.Create(0UL, 0x0101010101010101, 0, 0x0101010101010101).AsByte());
        Vector256<byte> high = Avx2.Shuffle(
            bits, Vector256.Create(0x0202020202020202UL, 0x0303030303030303, 0x0202020202020202, 0x0303030303030303).AsByte());
        first |= Vector256.Equals(low & bit, bit) & sixteen;
        second |= Vector256.Equals(high & bit, bit) & sixteen;
    }

    /// <summary>The values that IQ4_NL and IQ4_XS have for nibbles.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> NonLinear(Vector256<byte> nibbles)
    {
        Vector256<sbyte> table = Vector256.Create(
            -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113, -127, -104, -83, -65, -49, -35, -22, -10, 1, 13,
            25, 38, 53, 69, 89, 113);
        return Avx2.Shuffle(table.AsByte(), nibbles);
    }

    /// <summary>The values that MXFP4 has for nibbles, doubled.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> DoubledE2M1(Vector256<byte> nibbles)
    {
        Vector256<sbyte> table = Vector256.Create(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12, 0, 1, 2, 3, 4, 6, 8, 12, 0, -1,
            -2, -3, -4, -6, -8, -12);
        return Avx2.Shuffle(table.AsByte(), nibbles);
    }
}
