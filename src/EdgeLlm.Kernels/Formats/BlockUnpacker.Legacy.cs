using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Kernels.Formats;

/// <summary>
/// ggml's blocks of 32: value j is the low nibble of byte j for j below 16, else the high nibble of byte j - 16. Then four-bit codes that
/// index a table of <see cref="CodePoints"/>; nibbles in the order of Q4_0 where not said otherwise.
/// </summary>
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

    // d, nibbles[16]: d * code point
    private static void UnpackIQ4_NL(byte* block, sbyte* q, float* scales)
    {
        SetBoth(scales, Half(block));
        for (int half = 0; half < 2; half++) LookUp(CodePoints.IQ4, Field(block + 2, 4 * half, 15)).Store(q + 16 * half);
    }

    // d, upper scale bits (uint16: bits 2g, 2g + 1), lower scale nibbles[4], nibbles[8][16]: d * (scale - 32) * code point
    private static void UnpackIQ4_XS(byte* block, int group, sbyte* q, float* scales)
    {
        int low = block[4 + group / 2] >> (group % 2 * 4) & 15, high = *(ushort*)(block + 2) >> (2 * group) & 3;
        SetBoth(scales, Half(block) * ((low | high << 4) - 32));
        byte* nibbles = block + 8 + group * 16;
        for (int half = 0; half < 2; half++) LookUp(CodePoints.IQ4, Field(nibbles, 4 * half, 15)).Store(q + 16 * half);
    }

    // e, nibbles[16]: 2^(e - 127) * code point (OCP Microscaling Formats 1.0)
    private static void UnpackMXFP4(byte* block, sbyte* q, float* scales)
    {
        SetBoth(scales, HalfOfE8M0(block[0]));
        for (int half = 0; half < 2; half++) LookUp(CodePoints.DoubledE2M1, Field(block + 1, 4 * half, 15)).Store(q + 16 * half);
    }

    // scales[4], nibbles[4][8] (low nibbles the first 8 of a run of 16, high ones the others): e4m3 scale * code point
    private static void UnpackNVFP4(byte* block, int group, sbyte* q, float* scales)
    {
        const ulong LowNibbles = 0x0F0F_0F0F_0F0F_0F0F;
        for (int half = 0; half < 2; half++)
        {
            int run = 2 * group + half;
            scales[half] = HalfOfE4M3(block[run]);
            ulong nibbles = *(ulong*)(block + 4 + 8 * run);
            LookUp(CodePoints.DoubledE2M1, Vector128.Create(nibbles & LowNibbles, nibbles >> 4 & LowNibbles).AsByte()).Store(q + 16 * half);
        }
    }

    /// <summary>Half of the scale 2^(e - 127) of MXFP4 (its code points are doubled); float denormals for e below 2.</summary>
    private static float HalfOfE8M0(byte e) => BitConverter.UInt32BitsToSingle(e < 2 ? 0x0020_0000u << e : (uint)(e - 1) << 23);

    /// <summary>
    /// Half of an e4m3 scale of NVFP4 (bias 7, three bits of mantissa). As in ggml its sign bit is ignored and 0x7F, a NaN, is 0.
    /// </summary>
    private static float HalfOfE4M3(byte bits)
    {
        if (bits == 0x7F) return 0;
        int magnitude = bits & 0x7F;
        return magnitude < 8
            ? magnitude * (1 / 1024f)
            : BitConverter.UInt32BitsToSingle(((uint)magnitude << 20) + ((127 - 7 - 1) << 23));
    }

    // Vector128.Shuffle is one instruction only from .NET 10 on.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> LookUp(ReadOnlySpan<sbyte> table, Vector128<byte> codes)
    {
        Vector128<sbyte> points = Vector128.Create(table);
        if (Ssse3.IsSupported) return Ssse3.Shuffle(points, codes.AsSByte());
        if (AdvSimd.Arm64.IsSupported) return AdvSimd.Arm64.VectorTableLookup(points, codes.AsSByte());
        return Vector128.Shuffle(points, codes.AsSByte());
    }
}

/// <summary>The values that four-bit codes stand for where they are not evenly spaced.</summary>
internal static class CodePoints
{
    /// <summary>IQ4_NL and IQ4_XS.</summary>
    public static ReadOnlySpan<sbyte> IQ4 => [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    /// <summary>MXFP4 and NVFP4: e2m1 floats (0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives), doubled to be whole.</summary>
    public static ReadOnlySpan<sbyte> DoubledE2M1 => [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];
}
