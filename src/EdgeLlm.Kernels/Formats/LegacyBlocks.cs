namespace EdgeLlm.Kernels.Formats;

/// <summary>
/// ggml's blocks of 32 values with one scale. `d` and `m` are halfs; of the 16 bytes of nibbles byte j holds value j (low) and
/// value 16 + j (high).
/// </summary>
internal static unsafe class LegacyBlocks
{
    private const int Values = 32;
    private const int Half = 16;

    // d (2), nibbles[16]: 18 bytes. x = d * (nibble - 8)
    public static void Q4_0(byte* source, float* destination, int blocks)
    {
        for (; blocks > 0; blocks--, source += 18, destination += Values)
        {
            float d = HalfConversion.ToFloat(*(ushort*)source);
            byte* nibbles = source + 2;
            for (int j = 0; j < Half; j++)
            {
                destination[j] = d * ((nibbles[j] & 15) - 8);
                destination[Half + j] = d * ((nibbles[j] >> 4) - 8);
            }
        }
    }

    // d (2), m (2), nibbles[16]: 20 bytes. x = nibble * d + m
    public static void Q4_1(byte* source, float* destination, int blocks)
    {
        for (; blocks > 0; blocks--, source += 20, destination += Values)
        {
            float d = HalfConversion.ToFloat(*(ushort*)source);
            float m = HalfConversion.ToFloat(*(ushort*)(source + 2));
            byte* nibbles = source + 4;
            for (int j = 0; j < Half; j++)
            {
                destination[j] = (nibbles[j] & 15) * d + m;
                destination[Half + j] = (nibbles[j] >> 4) * d + m;
            }
        }
    }

    // d (2), fifth bits (one uint32, bit j of value j), nibbles[16]: 22 bytes. x = d * (code - 16)
    public static void Q5_0(byte* source, float* destination, int blocks)
    {
        for (; blocks > 0; blocks--, source += 22, destination += Values)
        {
            float d = HalfConversion.ToFloat(*(ushort*)source);
            uint fifth = *(uint*)(source + 2);
            byte* nibbles = source + 6;
            for (int j = 0; j < Half; j++)
            {
                destination[j] = d * (FiveBits(nibbles[j] & 15, fifth, j) - 16);
                destination[Half + j] = d * (FiveBits(nibbles[j] >> 4, fifth, Half + j) - 16);
            }
        }
    }

    // d (2), m (2), fifth bits (uint32), nibbles[16]: 24 bytes. x = code * d + m
    public static void Q5_1(byte* source, float* destination, int blocks)
    {
        for (; blocks > 0; blocks--, source += 24, destination += Values)
        {
            float d = HalfConversion.ToFloat(*(ushort*)source);
            float m = HalfConversion.ToFloat(*(ushort*)(source + 2));
            uint fifth = *(uint*)(source + 4);
            byte* nibbles = source + 8;
            for (int j = 0; j < Half; j++)
            {
                destination[j] = FiveBits(nibbles[j] & 15, fifth, j) * d + m;
                destination[Half + j] = FiveBits(nibbles[j] >> 4, fifth, Half + j) * d + m;
            }
        }
    }

    // d (2), q[32] signed: 34 bytes. x = d * q
    public static void Q8_0(byte* source, float* destination, int blocks)
    {
        for (; blocks > 0; blocks--, source += 34, destination += Values)
        {
            float d = HalfConversion.ToFloat(*(ushort*)source);
            sbyte* q = (sbyte*)(source + 2);
            for (int j = 0; j < Values; j++) destination[j] = d * q[j];
        }
    }

    private static int FiveBits(int nibble, uint fifth, int index) => nibble | (int)((fifth >> index) & 1) << 4;
}
