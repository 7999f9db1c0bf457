using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>d, high bits (uint32), nibbles[16]</summary>
internal readonly unsafe struct Q5_0Block : IBlockFormat
{
    public static int BlockBytes => 22;

    public static bool HasOffset => false;

    public static bool IsNarrow => true;

    public static int Bias => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<sbyte> First, Vector128<sbyte> Second) Load(byte* block)
    {
        Vector128<byte> nibbles = Vector128.Load(block + 6);
        // The four bytes of high bits, inverted: a code without its high bit is 16 less than its nibble, 0xF0 above it in two's complement.
        Vector128<byte> missing = ~Vector128.Load(block + 2);
        Vector128<byte> bit = Vector128.Create(0x8040201008040201ul).AsByte();
        Vector128<byte> first = AdvSimd.CompareTest(AdvSimd.Arm64.VectorTableLookup(missing, Vector128.Create(0ul, 0x0101010101010101).AsByte()), bit);
        Vector128<byte> second = AdvSimd.CompareTest(AdvSimd.Arm64.VectorTableLookup(missing, Vector128.Create(0x0202020202020202ul, 0x0303030303030303).AsByte()), bit);
        return (AdvSimd.ShiftLeftAndInsert(nibbles & Vector128.Create((byte)15), first, 4).AsSByte(), AdvSimd.ShiftLeftAndInsert(nibbles >> 4, second, 4).AsSByte());
    }
}
