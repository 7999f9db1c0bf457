using System.Runtime.CompilerServices;

namespace EdgeLlm.Kernels.Formats;

/// <summary>Blocks whose four-bit codes index a table of <see cref="CodePoints"/>.</summary>
internal static unsafe class CodePointBlocks
{
    // d (2), nibbles[16] (byte j: value j low, value 16 + j high): 18 bytes
    public static void IQ4_NL(byte* source, float* destination, int blocks)
    {
        for (; blocks > 0; blocks--, source += 18, destination += 32)
            Nibbles(source + 2, 16, HalfConversion.ToFloat(*(ushort*)source), CodePoints.IQ4, destination);
    }

    // d (2), upper scale bits (one uint16: bits 2g, 2g+1 of group g), lower scale nibbles[4] (group 2k low, 2k+1 high),
    // nibbles[128] (16 bytes a group of 32, as in IQ4_NL): 136 bytes. x = d * (scale - 32) * code point
    public static void IQ4_XS(byte* source, float* destination, int blocks)
    {
        for (; blocks > 0; blocks--, source += 136)
        {
            float d = HalfConversion.ToFloat(*(ushort*)source);
            int upper = *(ushort*)(source + 2);
            byte* lower = source + 4;
            for (int group = 0; group < 8; group++, destination += 32)
            {
                int scale = ((lower[group >> 1] >> (4 * (group & 1))) & 15) | ((upper >> (2 * group)) & 3) << 4;
                Nibbles(source + 8 + 16 * group, 16, d * (scale - 32), CodePoints.IQ4, destination);
            }
        }
    }

    // e (1), nibbles[16] as in IQ4_NL: 17 bytes (OCP Microscaling Formats 1.0)
    public static void MXFP4(byte* source, float* destination, int blocks)
    {
        for (; blocks > 0; blocks--, source += 17, destination += 32)
            Nibbles(source + 1, 16, HalfOfE8M0(*source), CodePoints.DoubledE2M1, destination);
    }

    // scales[4], nibbles[32] (8 bytes a run of 16 values: low nibbles the first 8, high ones the others): 36 bytes
    public static void NVFP4(byte* source, float* destination, int blocks)
    {
        for (; blocks > 0; blocks--, source += 36)
        {
            for (int run = 0; run < 4; run++, destination += 16)
                Nibbles(source + 4 + 8 * run, 8, HalfOfE4M3(source[run]), CodePoints.DoubledE2M1, destination);
        }
    }

    /// <summary>Half of the scale 2^(e - 127) of MXFP4 (its code points are doubled); float denormals for e below 2.</summary>
    public static float HalfOfE8M0(byte e) => BitConverter.UInt32BitsToSingle(e < 2 ? 0x0020_0000u << e : (uint)(e - 1) << 23);

    /// <summary>
    /// Half of an e4m3 scale of NVFP4 (bias 7, three bits of mantissa). As in ggml its sign bit is ignored and 0x7F, a NaN, is 0.
    /// </summary>
    public static float HalfOfE4M3(byte bits)
    {
        if (bits == 0x7F) return 0;
        int magnitude = bits & 0x7F;
        return magnitude < 8
            ? magnitude * (1 / 1024f)
            : BitConverter.UInt32BitsToSingle(((uint)magnitude << 20) + ((127 - 7 - 1) << 23));
    }

    /// <summary>2 * `bytes` values: first those of the low nibbles, then those of the high ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Nibbles(byte* nibbles, int bytes, float scale, ReadOnlySpan<sbyte> table, float* destination)
    {
        for (int i = 0; i < bytes; i++)
        {
            destination[i] = scale * table[nibbles[i] & 15];
            destination[bytes + i] = scale * table[nibbles[i] >> 4];
        }
    }
}
