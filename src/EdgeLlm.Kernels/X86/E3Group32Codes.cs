using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Kernels.X86;

/// <summary>
/// Windows of four bits of rings of 24, whose bytes are 32 apart. Shifts are of 16 bits: what comes from the neighbouring byte is masked.
/// </summary>
internal readonly unsafe struct E3Group32Codes : IPackedCodes
{
    public static int BlockBytes => 96;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Quad(byte* block, Vector256<byte> table, Vector256<byte> upper, int quad)
    {
        Vector256<ushort> low = Vector256.Load(block).AsUInt16(), middle = Vector256.Load(block + 32).AsUInt16(),
            high = Vector256.Load(block + 64).AsUInt16();
        Vector256<byte> codes = quad switch
        {
            0 => Bits(low, 15),
            1 => Bits(low >> 3, 15),
            2 => Bits(low >> 6, 3) | Bits(middle << 2, 12),
            3 => Bits(middle >> 1, 15),
            4 => Bits(middle >> 4, 15),
            5 => Bits(middle >> 7, 1) | Bits(high << 1, 14),
            6 => Bits(high >> 2, 15),
            _ => Bits(high >> 5, 7) | Bits(low << 3, 8),
        };
        return Avx2.Shuffle(table, codes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Bits(Vector256<ushort> bytes, byte mask) => bytes.AsByte() & Vector256.Create(mask);
}
