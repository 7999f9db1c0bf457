using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Formats;

/// <summary>
/// ggml's i-quants of one to three bits: blocks of 256 whose values are entries of a grid (<see cref="QuantizationGrids"/>) times signs
/// and a scale. Below, g is the group of 32 and k counts its eights, two of which are a half.
/// </summary>
internal static unsafe partial class BlockUnpacker
{
    // d, groups[8] of: indices[4], one uint32 with signs in 7 bits each from bit 7k and the scale in bits 28-31.
    // x = d * (0.5 + scale) * 0.25 * grid * sign
    private static void UnpackIQ2_XXS(byte* block, int group, sbyte* q, float* scales)
    {
        ulong* grid = QuantizationGrids.IQ2_XXS;
        byte* indices = block + 2 + 8 * group;
        uint signs = *(uint*)(indices + 4);
        SetBoth(scales, Half(block) * (0.5f + (signs >> 28)) * 0.25f);
        StoreSigned(grid[indices[0]], grid[indices[1]], EvenSigns(signs, signs >> 7), q);
        StoreSigned(grid[indices[2]], grid[indices[3]], EvenSigns(signs >> 14, signs >> 21), q + 16);
    }

    // d, q[32] uint16 (index in bits 0-8, signs in bits 9-15), scales[8] (low nibble for the first half, high for the second).
    // x as in IQ2_XXS
    private static void UnpackIQ2_XS(byte* block, int group, sbyte* q, float* scales)
    {
        ulong* grid = QuantizationGrids.IQ2_XS;
        ushort* codes = (ushort*)(block + 2 + 8 * group);
        SetQuarterScales(block, block[66 + group], scales);
        for (int half = 0; half < 2; half++, codes += 2)
            StoreSigned(grid[codes[0] & 511], grid[codes[1] & 511], EvenSigns((uint)codes[0] >> 9, (uint)codes[1] >> 9), q + 16 * half);
    }

    // d, q[32], signs[32], upper[8] (bits 2k, 2k + 1 of byte g above index 4g + k), scales[8] as in IQ2_XS. x as in IQ2_XXS
    private static void UnpackIQ2_S(byte* block, int group, sbyte* q, float* scales)
    {
        ulong* grid = QuantizationGrids.IQ2_S;
        byte* indices = block + 2 + 4 * group;
        ushort* signs = (ushort*)(block + 34 + 4 * group);
        int upper = block[66 + group] << 8;
        SetQuarterScales(block, block[74 + group], scales);
        for (int half = 0; half < 2; half++, indices += 2, upper >>= 4)
            StoreSigned(grid[indices[0] | upper & 0x300], grid[indices[1] | upper >> 2 & 0x300], signs[half], q + 16 * half);
    }

    // d, q[64] (two indices of fours an eight), signs[8] uint32 as in IQ2_XXS. x = d * (0.5 + scale) * 0.5 * grid * sign
    private static void UnpackIQ3_XXS(byte* block, int group, sbyte* q, float* scales)
    {
        uint* grid = QuantizationGrids.IQ3_XXS;
        byte* indices = block + 2 + 8 * group;
        uint signs = ((uint*)(block + 66))[group];
        SetBoth(scales, Half(block) * (0.5f + (signs >> 28)) * 0.5f);
        for (int half = 0; half < 2; half++, indices += 4, signs >>= 14)
        {
            ulong first = grid[indices[0]] | (ulong)grid[indices[1]] << 32;
            ulong second = grid[indices[2]] | (ulong)grid[indices[3]] << 32;
            StoreSigned(first, second, EvenSigns(signs, signs >> 7), q + 16 * half);
        }
    }

    // d, q[64], ninth bits[8] (bit j of byte g above index 8g + j), signs[32], scales[4] (group 2k low nibble, 2k + 1 high).
    // x = d * (1 + 2 * scale) * grid * sign
    private static void UnpackIQ3_S(byte* block, int group, sbyte* q, float* scales)
    {
        uint* grid = QuantizationGrids.IQ3_S;
        byte* indices = block + 2 + 8 * group;
        ushort* signs = (ushort*)(block + 74 + 4 * group);
        int ninth = block[66 + group] << 8;
        SetBoth(scales, Half(block) * (1 + 2 * (block[106 + group / 2] >> (group % 2 * 4) & 15)));
        for (int half = 0; half < 2; half++, indices += 4, ninth >>= 4)
        {
            ulong first = grid[indices[0] | ninth & 256] | (ulong)grid[indices[1] | ninth >> 1 & 256] << 32;
            ulong second = grid[indices[2] | ninth >> 2 & 256] | (ulong)grid[indices[3] | ninth >> 3 & 256] << 32;
            StoreSigned(first, second, signs[half], q + 16 * half);
        }
    }

    // d, q[32], h[8] uint16 (bits 3k to 3k + 2 above index 4g + k, bits 12-14 the scale, bit 15 a negative delta).
    // x = d * (2 * scale + 1) * (grid + delta)
    private static void UnpackIQ1_S(byte* block, int group, sbyte* q, float* scales)
    {
        ulong* grid = QuantizationGrids.IQ1;
        byte* indices = block + 2 + 4 * group;
        int h = ((ushort*)(block + 34))[group];
        SetBoth(scales, Half(block) * (2 * (h >> 12 & 7) + 1) * 0.125f);
        ulong delta = Delta(h >> 15);
        for (int half = 0; half < 2; half++, indices += 2, h >>= 6)
            StoreShifted(grid[indices[0] | (h & 7) << 8], grid[indices[1] | (h >> 3 & 7) << 8], delta, delta, q + 16 * half);
    }

    // q[32], h[16] (a nibble an eight: 3 bits above the index, then a bit for a negative delta), scales[4] uint16. x as in IQ1_S.
    // The top nibbles of scales[0..3], lowest first, are d; the 12 bits below are four scales of 3 bits, one a half.
    private static void UnpackIQ1_M(byte* block, int group, sbyte* q, float* scales)
    {
        ulong* grid = QuantizationGrids.IQ1;
        byte* indices = block + 4 * group;
        ushort* s = (ushort*)(block + 48);
        float d = HalfConversion.ToFloat((ushort)(s[0] >> 12 | s[1] >> 12 << 4 | s[2] >> 12 << 8 | s[3] >> 12 << 12));
        for (int half = 0; half < 2; half++, indices += 2)
        {
            int run = 2 * group + half, h = block[32 + run];
            scales[half] = d * (2 * (s[run / 4] >> (run % 4 * 3) & 7) + 1) * 0.125f;
            ulong first = grid[indices[0] | (h & 7) << 8], second = grid[indices[1] | (h >> 4 & 7) << 8];
            StoreShifted(first, second, Delta(h >> 3 & 1), Delta(h >> 7), q + 16 * half);
        }
    }

    private static void SetQuarterScales(byte* block, byte nibbles, float* scales)
    {
        float d = Half(block);
        scales[0] = d * (0.5f + (nibbles & 15)) * 0.25f;
        scales[1] = d * (0.5f + (nibbles >> 4)) * 0.25f;
    }

    /// <summary>The signs of two eights from their low seven bits.</summary>
    private static ushort EvenSigns(uint first, uint second) =>
        (ushort)(QuantizationGrids.EvenSigns[first & 127] | QuantizationGrids.EvenSigns[second & 127] << 8);

    /// <summary>Two eights of grid values (a byte each, lowest first), negated where the bit of `signs` is set.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreSigned(ulong first, ulong second, ushort signs, sbyte* q)
    {
        Vector128<byte> negative = MaskOf(signs);
        ((Vector128.Create(first, second).AsByte() ^ negative) - negative).AsSByte().Store(q);
    }

    /// <summary>An eight of the bytes 1 or -1: the deltas of 1/8 in eighths.</summary>
    private static ulong Delta(int negative) => negative != 0 ? ulong.MaxValue : 0x0101_0101_0101_0101;

    /// <summary>Two eights of grid values of -1, 0, 1 moved by their deltas, in eighths (the scale is an eighth for it).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreShifted(ulong first, ulong second, ulong firstDelta, ulong secondDelta, sbyte* q) =>
        ((Vector128.Create(first, second).AsSByte() << 3) + Vector128.Create(firstDelta, secondDelta).AsSByte()).Store(q);
}
