namespace EdgeLlm.Kernels.Formats;

/// <summary>
/// ggml's i-quants of one to three bits: blocks of 256 values in groups of 32, whose values are entries of a grid
/// (<see cref="QuantizationGrids"/>) times signs and a scale. Below, g counts the groups of a block and k the eights of a group.
/// </summary>
internal static unsafe class GridBlocks
{
    private const int Groups = 8;
    private const int Eights = 4;

    // d (2), groups[8] of: indices[4], one uint32 with signs in 7 bits each from bit 7k and the scale in bits 28-31: 66 bytes.
    // x = d * (0.5 + scale) * 0.25 * grid * sign
    public static void IQ2_XXS(byte* source, float* destination, int blocks)
    {
        ulong* grid = QuantizationGrids.IQ2_XXS;
        byte* evenSigns = QuantizationGrids.EvenSigns;
        for (; blocks > 0; blocks--, source += 66)
        {
            float d = HalfConversion.ToFloat(*(ushort*)source);
            byte* indices = source + 2;
            for (int g = 0; g < Groups; g++, indices += 8)
            {
                uint signs = *(uint*)(indices + 4);
                float scale = d * (0.5f + (signs >> 28)) * 0.25f;
                for (int k = 0; k < Eights; k++, destination += 8)
                    Signed(scale, grid[indices[k]], evenSigns[(signs >> (7 * k)) & 127], destination);
            }
        }
    }

    // d (2), q[32] uint16 (index in bits 0-8, signs in bits 9-15), scales[8] (low nibble for k < 2, high for the others): 74 bytes.
    // x as in IQ2_XXS
    public static void IQ2_XS(byte* source, float* destination, int blocks)
    {
        ulong* grid = QuantizationGrids.IQ2_XS;
        byte* evenSigns = QuantizationGrids.EvenSigns;
        for (; blocks > 0; blocks--, source += 74)
        {
            float d = HalfConversion.ToFloat(*(ushort*)source);
            ushort* q = (ushort*)(source + 2);
            byte* scales = source + 66;
            for (int g = 0; g < Groups; g++, q += Eights)
            {
                for (int k = 0; k < Eights; k++, destination += 8)
                    Signed(QuarterScale(d, scales[g], k), grid[q[k] & 511], evenSigns[q[k] >> 9], destination);
            }
        }
    }

    // d (2), q[32], signs[32], upper[8] (bits 2k, 2k+1 of byte g above index 4g + k), scales[8] as in IQ2_XS: 82 bytes. x as in IQ2_XXS
    public static void IQ2_S(byte* source, float* destination, int blocks)
    {
        ulong* grid = QuantizationGrids.IQ2_S;
        for (; blocks > 0; blocks--, source += 82)
        {
            float d = HalfConversion.ToFloat(*(ushort*)source);
            byte* q = source + 2;
            byte* signs = source + 34;
            byte* upper = source + 66;
            byte* scales = source + 74;
            for (int g = 0; g < Groups; g++, q += Eights, signs += Eights)
            {
                for (int k = 0; k < Eights; k++, destination += 8)
                {
                    int index = q[k] | ((upper[g] >> (2 * k)) & 3) << 8;
                    Signed(QuarterScale(d, scales[g], k), grid[index], signs[k], destination);
                }
            }
        }
    }

    // d (2), q[64] (two indices of fours an eight), signs[8] uint32 as in IQ2_XXS: 98 bytes. x = d * (0.5 + scale) * 0.5 * grid * sign
    public static void IQ3_XXS(byte* source, float* destination, int blocks)
    {
        uint* grid = QuantizationGrids.IQ3_XXS;
        byte* evenSigns = QuantizationGrids.EvenSigns;
        for (; blocks > 0; blocks--, source += 98)
        {
            float d = HalfConversion.ToFloat(*(ushort*)source);
            byte* q = source + 2;
            for (int g = 0; g < Groups; g++)
            {
                uint signs = ((uint*)(source + 66))[g];
                float scale = d * (0.5f + (signs >> 28)) * 0.5f;
                for (int k = 0; k < Eights; k++, q += 2, destination += 8)
                    Signed(scale, grid[q[0]] | (ulong)grid[q[1]] << 32, evenSigns[(signs >> (7 * k)) & 127], destination);
            }
        }
    }

    // d (2), q[64], ninth bits[8] (bit j of byte g above index 8g + j), signs[32], scales[4] (group 2k low nibble, 2k+1 high): 110 bytes.
    // x = d * (1 + 2 * scale) * grid * sign
    public static void IQ3_S(byte* source, float* destination, int blocks)
    {
        uint* grid = QuantizationGrids.IQ3_S;
        for (; blocks > 0; blocks--, source += 110)
        {
            float d = HalfConversion.ToFloat(*(ushort*)source);
            byte* q = source + 2;
            byte* ninth = source + 66;
            byte* signs = source + 74;
            byte* scales = source + 106;
            for (int g = 0; g < Groups; g++, signs += Eights)
            {
                float scale = d * (1 + 2 * ((scales[g >> 1] >> (4 * (g & 1))) & 15));
                for (int k = 0; k < Eights; k++, q += 2, destination += 8)
                {
                    int first = q[0] | ((ninth[g] >> (2 * k)) & 1) << 8;
                    int second = q[1] | ((ninth[g] >> (2 * k + 1)) & 1) << 8;
                    Signed(scale, grid[first] | (ulong)grid[second] << 32, signs[k], destination);
                }
            }
        }
    }

    // d (2), q[32], h[8] uint16 (bits 3k to 3k+2 above index 4g + k, bits 12-14 the scale, bit 15 a negative delta): 50 bytes.
    // x = d * (2 * scale + 1) * (grid + delta)
    public static void IQ1_S(byte* source, float* destination, int blocks)
    {
        ulong* grid = QuantizationGrids.IQ1;
        for (; blocks > 0; blocks--, source += 50)
        {
            float d = HalfConversion.ToFloat(*(ushort*)source);
            byte* q = source + 2;
            for (int g = 0; g < Groups; g++, q += Eights)
            {
                int h = ((ushort*)(source + 34))[g];
                float scale = d * (2 * ((h >> 12) & 7) + 1);
                float delta = Delta(h >> 15);
                for (int k = 0; k < Eights; k++, destination += 8)
                    Shifted(scale, grid[q[k] | ((h >> (3 * k)) & 7) << 8], delta, destination);
            }
        }
    }

    // q[32], h[16] (a nibble an eight: 3 bits above the index, then a bit for a negative delta), scales[4] uint16: 56 bytes.
    // The top nibbles of scales[0..3], lowest first, are d; the 12 bits below are four scales of 3 bits, one for two eights.
    public static void IQ1_M(byte* source, float* destination, int blocks)
    {
        ulong* grid = QuantizationGrids.IQ1;
        for (; blocks > 0; blocks--, source += 56)
        {
            byte* q = source;
            byte* h = source + 32;
            ushort* scales = (ushort*)(source + 48);
            float d = HalfConversion.ToFloat(
                (ushort)(scales[0] >> 12 | (scales[1] >> 12) << 4 | (scales[2] >> 12) << 8 | (scales[3] >> 12) << 12));
            for (int eight = 0; eight < Groups * Eights; eight++, destination += 8)
            {
                int upper = h[eight >> 1] >> (4 * (eight & 1));
                int threeBits = (scales[eight >> 3] >> (3 * ((eight >> 1) & 3))) & 7;
                Shifted(d * (2 * threeBits + 1), grid[q[eight] | (upper & 7) << 8], Delta((upper >> 3) & 1), destination);
            }
        }
    }

    private static float QuarterScale(float d, byte scales, int k) => d * (0.5f + (k < 2 ? scales & 15 : scales >> 4)) * 0.25f;

    private static float Delta(int negative) => negative != 0 ? -0.125f : 0.125f;

    /// <summary>Eight grid values (a byte each, lowest first), negated where the bit of `signs` is set.</summary>
    private static void Signed(float scale, ulong grid, byte signs, float* destination)
    {
        for (int i = 0; i < 8; i++, grid >>= 8)
        {
            float value = scale * (byte)grid;
            destination[i] = ((signs >> i) & 1) != 0 ? -value : value;
        }
    }

    /// <summary>Eight grid values of -1, 0, 1 (a byte each, lowest first), moved by `delta`.</summary>
    private static void Shifted(float scale, ulong grid, float delta, float* destination)
    {
        for (int i = 0; i < 8; i++, grid >>= 8) destination[i] = scale * ((sbyte)grid + delta);
    }
}
