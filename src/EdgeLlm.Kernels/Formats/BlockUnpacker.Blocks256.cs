namespace EdgeLlm.Kernels.Formats;

/// <summary>Types with blocks of 256; group g is the block's values 32g to 32g + 31. Layouts as in `formats.md`.</summary>
internal static unsafe partial class BlockUnpacker
{
    // scales[16], q[64], d, dmin: run r of 16 has scale d * (s & 15) and offset -(dmin * (s >> 4)); two-bit values.
    private static void UnpackQ2_K(byte* block, int group, sbyte* q, float* scales, float* offsets)
    {
        float d = Half(block + 80), minimum = Half(block + 82);
        for (int half = 0; half < 2; half++)
        {
            byte s = block[2 * group + half];
            scales[half] = d * (s & 15);
            offsets[half] = -(minimum * (s >> 4));
        }
        UnpackTwoBits(block + 16, group, q);
    }

    // high[32], q[64], scales[12], d: low two bits as Q2_K, the third from bit g of high[i]; x = d * (scale - 32) * (c - 4).
    private static void UnpackQ3_K(byte* block, int group, sbyte* q, float* scales)
    {
        byte* packed = block + 96;
        float d = Half(block + 108);
        for (int half = 0; half < 2; half++)
        {
            int r = 2 * group + half;
            int low = r < 8 ? packed[r] & 15 : packed[r - 8] >> 4;
            int high = packed[8 + r % 4] >> (2 * (r / 4)) & 3;
            scales[half] = d * ((low | high << 4) - 32);
        }
        UnpackTwoBits(block + 32, group, q);
        for (int i = 0; i < 32; i++) q[i] += (sbyte)((block[i] >> group & 1) * 4 - 4);
    }

    // d, dmin, scales[12], q[128]: group 2k has the low nibbles of q[32k..], group 2k + 1 the high ones; x = d * scale * c - dmin * minimum.
    private static void UnpackQ4_K(byte* block, int group, sbyte* q, float* scales, float* offsets)
    {
        UnpackScaleAndMinimum(block, group, scales, offsets);
        byte* nibbles = block + 16 + group / 2 * 32;
        for (int i = 0; i < 32; i++) q[i] = (sbyte)(nibbles[i] >> (group % 2 * 4) & 15);
    }

    // d, dmin, scales[12], high[32], q[128]: as Q4_K with bit g of high[i] as the fifth bit.
    private static void UnpackQ5_K(byte* block, int group, sbyte* q, float* scales, float* offsets)
    {
        UnpackScaleAndMinimum(block, group, scales, offsets);
        byte* nibbles = block + 48 + group / 2 * 32;
        for (int i = 0; i < 32; i++) q[i] = (sbyte)((nibbles[i] >> (group % 2 * 4) & 15) | (block[16 + i] >> group & 1) << 4);
    }

    // low[128], high[64], scales[16] int8, d: x = d * scale * (c - 32).
    private static void UnpackQ6_K(byte* block, int group, sbyte* q, float* scales)
    {
        float d = Half(block + 208);
        sbyte* s = (sbyte*)block + 192;
        scales[0] = d * s[2 * group];
        scales[1] = d * s[2 * group + 1];
        int half = group / 4, g = group % 4;
        byte* low = block + half * 64 + g % 2 * 32;
        byte* high = block + 128 + half * 32;
        for (int i = 0; i < 32; i++) q[i] = (sbyte)(((low[i] >> (g / 2 * 4) & 15) | (high[i] >> (2 * g) & 3) << 4) - 32);
    }

    // d, high scale bits (uint16), low scale bits[4], q[128]: x = d * (scale - 32) * table[nibble].
    private static void UnpackIQ4_XS(byte* block, int group, sbyte* q, float* scales)
    {
        int low = block[4 + group / 2] >> (group % 2 * 4) & 15, high = *(ushort*)(block + 2) >> (2 * group) & 3;
        SetBoth(scales, Half(block) * ((low | high << 4) - 32));
        UnpackNibbles(block + 8 + group * 16, q, 0);
        LookUp(q);
    }

    private static void UnpackTwoBits(byte* bits, int group, sbyte* q)
    {
        for (int i = 0; i < 32; i++) q[i] = (sbyte)(bits[group / 4 * 32 + i] >> (2 * (group % 4)) & 3);
    }

    private static void UnpackScaleAndMinimum(byte* block, int group, float* scales, float* offsets)
    {
        byte* s = block + 4;
        int scale = group < 4 ? s[group] & 63 : (s[group + 4] & 15) | s[group - 4] >> 6 << 4;
        int minimum = group < 4 ? s[group + 4] & 63 : s[group + 4] >> 4 | s[group] >> 6 << 4;
        SetBoth(scales, Half(block) * scale);
        SetBoth(offsets, -(Half(block + 2) * minimum));
    }
}
