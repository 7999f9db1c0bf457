using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Kernels.X86;

/// <summary>Codes of 32 columns out of packed bits.</summary>
internal static unsafe class CodeBits
{
    /// <summary>The low nibbles of 16 bytes, then the high ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Nibbles(byte* bytes) =>
        Avx2.ShiftRightLogicalVariable(Avx2.BroadcastVector128ToVector256((ulong*)bytes), Vector256.Create(0UL, 0, 4, 4)).AsByte()
        & Vector256.Create((byte)15);

    /// <summary>The bits of each of 32 bytes that <paramref name="mask"/> says, counted from <paramref name="shift"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Field(byte* bytes, int shift, byte mask) =>
        (Vector256.Load((ushort*)bytes) >> shift).AsByte() & Vector256.Create(mask);

    /// <summary>16 where a bit is set: bit j of <paramref name="bits"/> for column j.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Fifth(uint bits)
    {
        Vector256<byte> bytes = Avx2.Shuffle(
            Vector256.Create(bits).AsByte(), Vector256.Create(0UL, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303).AsByte());
        Vector256<byte> bit = Vector256.Create(0x8040201008040201).AsByte();
        return Vector256.Equals(bytes & bit, bit) & Vector256.Create((byte)16);
    }

    /// <summary>The values that IQ4_NL and IQ4_XS have for nibbles.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> NonLinear(Vector256<byte> nibbles)
    {
        Vector256<sbyte> table = Vector256.Create(
            -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113, -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
        return Avx2.Shuffle(table.AsByte(), nibbles);
    }
}
