using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Formats;

/// <summary>ggml's blocks of 32: value j is the low nibble of byte j for j below 16, else the high nibble of byte j - 16.</summary>
internal static unsafe partial class BlockUnpacker
{
    // d, nibbles[16]: d * (nibble - 8)
    private static void UnpackQ4_0(byte* block, sbyte* q, float* scales)
    {
        SetBoth(scales, Half(block));
        for (int half = 0; half < 2; half++) Store(Field(block + 2, 4 * half, 15), 8, q + 16 * half);
    }

    // d, m, nibbles[16]: d * nibble + m
    private static void UnpackQ4_1(byte* block, sbyte* q, float* scales, float* offsets)
    {
        SetBoth(scales, Half(block));
        SetBoth(offsets, Half(block + 2));
        for (int half = 0; half < 2; half++) Store(Field(block + 4, 4 * half, 15), 0, q + 16 * half);
    }

    // d, fifth bits (uint32, bit j of value j), nibbles[16]: d * (nibble + 16 * bit - 16)
    private static void UnpackQ5_0(byte* block, sbyte* q, float* scales)
    {
        SetBoth(scales, Half(block));
        for (int half = 0; half < 2; half++) Store(FiveBits(block + 6, block + 2, half), 16, q + 16 * half);
    }

    // d, m, fifth bits (uint32), nibbles[16]: d * (nibble + 16 * bit) + m
    private static void UnpackQ5_1(byte* block, sbyte* q, float* scales, float* offsets)
    {
        SetBoth(scales, Half(block));
        SetBoth(offsets, Half(block + 2));
        for (int half = 0; half < 2; half++) Store(FiveBits(block + 8, block + 4, half), 0, q + 16 * half);
    }

    // d, q[32]: d * q
    private static void UnpackQ8_0(byte* block, sbyte* q, float* scales)
    {
        SetBoth(scales, Half(block));
        Buffer.MemoryCopy(block + 2, q, 32, 32);
    }

    private static Vector128<byte> FiveBits(byte* nibbles, byte* fifth, int half) =>
        Field(nibbles, 4 * half, 15) | MaskOf(((ushort*)fifth)[half]) & Vector128.Create((byte)16);
}
