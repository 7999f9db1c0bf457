namespace EdgeLlm.Kernels.Formats;

/// <summary>Blocks of one or two bits, or a trit, a value: codes that stand for -1, 0, 1 (and 2) times the half `d`.</summary>
internal static unsafe class TernaryBlocks
{
    // d (2), bits[16] (value j is bit j mod 8 of byte j / 8): 18 bytes for 128 values. x = d where set, else -d
    public static void Q1_0(byte* source, float* destination, int blocks)
    {
        for (; blocks > 0; blocks--, source += 18, destination += 128)
        {
            float d = HalfConversion.ToFloat(*(ushort*)source);
            byte* bits = source + 2;
            for (int j = 0; j < 128; j++) destination[j] = ((bits[j >> 3] >> (j & 7)) & 1) != 0 ? d : -d;
        }
    }

    // d (2), q[16] (value j is two bits of byte j / 4 from bit 2 * (j mod 4)): 18 bytes for 64 values. x = d * (c - 1)
    public static void Q2_0(byte* source, float* destination, int blocks)
    {
        for (; blocks > 0; blocks--, source += 18, destination += 64)
        {
            float d = HalfConversion.ToFloat(*(ushort*)source);
            byte* q = source + 2;
            for (int j = 0; j < 64; j++) destination[j] = d * (((q[j >> 2] >> (2 * (j & 3))) & 3) - 1);
        }
    }

    // q[48], t[4], d (2): 54 bytes for 256 values. x = (trit - 1) * d.
    // A byte holds trits as a fixed-point fraction of base 3: trit n is the whole part of 3 * fraction(byte * 3^n / 256).
    // Order: trits 0-4 of q[0..31], trits 0-4 of q[32..47], trits 0-3 of t[0..3]; all bytes of a stretch for one n before the next n.
    public static void TQ1_0(byte* source, float* destination, int blocks)
    {
        for (; blocks > 0; blocks--, source += 54)
        {
            float d = HalfConversion.ToFloat(*(ushort*)(source + 52));
            destination = Trits(source, 32, 5, d, destination);
            destination = Trits(source + 32, 16, 5, d, destination);
            destination = Trits(source + 48, 4, 4, d, destination);
        }
    }

    // q[64] (half h has bytes 32h to 32h+31; its group k has their bits 2k and 2k+1), d (2): 66 bytes for 256 values. x = (c - 1) * d
    public static void TQ2_0(byte* source, float* destination, int blocks)
    {
        for (; blocks > 0; blocks--, source += 66)
        {
            float d = HalfConversion.ToFloat(*(ushort*)(source + 64));
            for (int group = 0; group < 8; group++, destination += 32)
            {
                byte* q = source + 32 * (group >> 2);
                int shift = 2 * (group & 3);
                for (int i = 0; i < 32; i++) destination[i] = (((q[i] >> shift) & 3) - 1) * d;
            }
        }
    }

    private static float* Trits(byte* bytes, int count, int perByte, float d, float* destination)
    {
        int power = 1;
        for (int n = 0; n < perByte; n++, power *= 3, destination += count)
        {
            for (int i = 0; i < count; i++) destination[i] = (((byte)(bytes[i] * power) * 3 >> 8) - 1) * d;
        }
        return destination;
    }
}
