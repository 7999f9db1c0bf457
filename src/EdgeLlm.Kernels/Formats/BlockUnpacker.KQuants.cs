using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Formats;

/// <summary>ggml's k-quants: blocks of 256 with small integer scales under the block's `d` (and `dmin` for minimums).</summary>
internal static unsafe partial class BlockUnpacker
{
    // scales[16], q[64], d, dmin: run r of 16 has scale d * (s & 15) and offset -(dmin * (s >> 4)); two-bit values.
    private static void UnpackQ2_K(byte* block, int group, sbyte* q, float* scales, float* offsets)
    {
        float d = Half(block + 80), dmin = Half(block + 82);
        for (int half = 0; half < 2; half++)
        {
            byte s = block[2 * group + half];
            scales[half] = d * (s & 15);
            offsets[half] = -(dmin * (s >> 4));
            Store(TwoBits(block + 16, group, half), 0, q + 16 * half);
        }
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
            Store(TwoBits(block + 32, group, half) | Field(block + 16 * half, group, 1) << 2, 4, q + 16 * half);
        }
    }

    // d, dmin, scales[12], q[128]: group 2k has the low nibbles of q[32k..], group 2k + 1 the high ones.
    // x = d * scale * c - dmin * minimum
    private static void UnpackQ4_K(byte* block, int group, sbyte* q, float* scales, float* offsets)
    {
        UnpackScaleAndMinimum(block, group, scales, offsets);
        byte* nibbles = block + 16 + group / 2 * 32;
        for (int half = 0; half < 2; half++) Store(Field(nibbles + 16 * half, group % 2 * 4, 15), 0, q + 16 * half);
    }

    // d, dmin, scales[12], fifth[32], q[128]: as Q4_K with bit g of fifth[i] as the fifth bit.
    private static void UnpackQ5_K(byte* block, int group, sbyte* q, float* scales, float* offsets)
    {
        UnpackScaleAndMinimum(block, group, scales, offsets);
        byte* nibbles = block + 48 + group / 2 * 32;
        for (int half = 0; half < 2; half++)
            Store(Field(nibbles + 16 * half, group % 2 * 4, 15) | Field(block + 16 + 16 * half, group, 1) << 4, 0, q + 16 * half);
    }

    // low[128], high[64], scales[16] int8, d: x = d * scale * (c - 32). Groups 4n to 4n + 3 have the low nibbles of low[64n..64n + 31],
    // of low[64n + 32..], the high nibbles of both, and above them bits 0-1, 2-3, 4-5, 6-7 of high[32n..].
    private static void UnpackQ6_K(byte* block, int group, sbyte* q, float* scales)
    {
        float d = Half(block + 208);
        sbyte* s = (sbyte*)block + 192;
        byte* low = block + group / 4 * 64 + group % 2 * 32;
        byte* high = block + 128 + group / 4 * 32;
        for (int half = 0; half < 2; half++)
        {
            scales[half] = d * s[2 * group + half];
            Vector128<byte> codes = Field(low + 16 * half, group % 4 / 2 * 4, 15) | Field(high + 16 * half, group % 4 * 2, 3) << 4;
            Store(codes, 32, q + 16 * half);
        }
    }

    // Two-bit codes of 256 values lie in halves of 128: group k of a half has bits 2k and 2k + 1 of its 32 bytes.
    private static Vector128<byte> TwoBits(byte* bytes, int group, int half) => Field(bytes + group / 4 * 32 + 16 * half, group % 4 * 2, 3);

    // d, dmin, then 8 scales and 8 minimums of 6 bits in 12 bytes
    private static void UnpackScaleAndMinimum(byte* block, int group, float* scales, float* offsets)
    {
        byte* s = block + 4;
        int scale = group < 4 ? s[group] & 63 : (s[group + 4] & 15) | s[group - 4] >> 6 << 4;
        int minimum = group < 4 ? s[group + 4] & 63 : s[group + 4] >> 4 | s[group] >> 6 << 4;
        SetBoth(scales, Half(block) * scale);
        SetBoth(offsets, -(Half(block + 2) * minimum));
    }
}
