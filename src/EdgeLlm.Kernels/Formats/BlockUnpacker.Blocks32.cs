namespace EdgeLlm.Kernels.Formats;

/// <summary>Types with blocks of 32: `d` and `m` are float16; nibble j is the low half of byte j for j below 16, else the high half of byte j - 16.</summary>
internal static unsafe partial class BlockUnpacker
{
    /// <summary>The 16 values of IQ4_NL and IQ4_XS.</summary>
    public static ReadOnlySpan<sbyte> NonLinear4 => [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    // d, nibbles[16]: d * (nibble - 8)
    private static void UnpackQ4_0(byte* block, sbyte* q, float* scales)
    {
        SetBoth(scales, Half(block));
        UnpackNibbles(block + 2, q, 8);
    }

    // d, m, nibbles[16]: d * nibble + m
    private static void UnpackQ4_1(byte* block, sbyte* q, float* scales, float* offsets)
    {
        SetBoth(scales, Half(block));
        SetBoth(offsets, Half(block + 2));
        UnpackNibbles(block + 4, q, 0);
    }

    // d, high bits (uint32), nibbles[16]: d * (nibble + 16 * bit - 16)
    private static void UnpackQ5_0(byte* block, sbyte* q, float* scales)
    {
        SetBoth(scales, Half(block));
        UnpackNibbles(block + 6, q, 16);
        AddHighBits(block + 2, q);
    }

    // d, m, high bits (uint32), nibbles[16]: d * (nibble + 16 * bit) + m
    private static void UnpackQ5_1(byte* block, sbyte* q, float* scales, float* offsets)
    {
        SetBoth(scales, Half(block));
        SetBoth(offsets, Half(block + 2));
        UnpackNibbles(block + 8, q, 0);
        AddHighBits(block + 4, q);
    }

    // d, q[32]: d * q
    private static void UnpackQ8_0(byte* block, sbyte* q, float* scales)
    {
        SetBoth(scales, Half(block));
        Buffer.MemoryCopy(block + 2, q, 32, 32);
    }

    // d, nibbles[16]: d * table[nibble]
    private static void UnpackIQ4_NL(byte* block, sbyte* q, float* scales)
    {
        SetBoth(scales, Half(block));
        UnpackNibbles(block + 2, q, 0);
        LookUp(q);
    }

    private static void AddHighBits(byte* bits, sbyte* q)
    {
        uint high = *(uint*)bits;
        for (int j = 0; j < 32; j++) q[j] += (sbyte)((high >> j & 1) << 4);
    }

    private static void LookUp(sbyte* q)
    {
        for (int j = 0; j < 32; j++) q[j] = NonLinear4[q[j]];
    }
}
