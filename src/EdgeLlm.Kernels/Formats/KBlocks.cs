namespace EdgeLlm.Kernels.Formats;

/// <summary>
/// ggml's k-quants: blocks of 256 values, counted here in runs of 16 or groups of 32, each with a small integer scale under the
/// block's half `d` (and `dmin` for minimums).
/// </summary>
internal static unsafe class KBlocks
{
    private const int Values = 256;
    private const int Runs = 16;
    private const int Run = 16;
    private const int Groups = 8;
    private const int Group = 32;

    // scales[16] (low nibble scale, high nibble minimum), q[64], d (2), dmin (2): 84 bytes. x = d * scale * c - dmin * minimum
    public static void Q2_K(byte* source, float* destination, int blocks)
    {
        for (; blocks > 0; blocks--, source += 84)
        {
            byte* q = source + 16;
            float d = HalfConversion.ToFloat(*(ushort*)(source + 80));
            float dmin = HalfConversion.ToFloat(*(ushort*)(source + 82));
            for (int run = 0; run < Runs; run++, destination += Run)
            {
                float scale = d * (source[run] & 15);
                float minimum = dmin * (source[run] >> 4);
                byte* bytes = q + TwoBitBytes(run);
                int shift = TwoBitShift(run);
                for (int i = 0; i < Run; i++) destination[i] = scale * ((bytes[i] >> shift) & 3) - minimum;
            }
        }
    }

    // high[32] (bit g of byte i for value i of group g, set where 4 is not taken off), q[64] as in Q2_K, scales[12] (16 of 6 bits), d (2):
    // 110 bytes. x = d * (scale - 32) * (low + 4 * high - 4)
    public static void Q3_K(byte* source, float* destination, int blocks)
    {
        for (; blocks > 0; blocks--, source += 110)
        {
            byte* q = source + 32;
            byte* scales = source + 96;
            float d = HalfConversion.ToFloat(*(ushort*)(source + 108));
            for (int run = 0; run < Runs; run++, destination += Run)
            {
                float scale = d * (SixBitScale(scales, run) - 32);
                byte* bytes = q + TwoBitBytes(run);
                byte* high = source + Run * (run & 1);
                int shift = TwoBitShift(run);
                int group = run >> 1;
                for (int i = 0; i < Run; i++)
                    destination[i] = scale * (((bytes[i] >> shift) & 3) + ((high[i] >> group) & 1) * 4 - 4);
            }
        }
    }

    // d (2), dmin (2), scales[12] (8 scales and 8 minimums of 6 bits), q[128] (groups 2k and 2k+1 are the low and high nibbles of
    // bytes 32k to 32k+31): 144 bytes. x = d * scale * c - dmin * minimum
    public static void Q4_K(byte* source, float* destination, int blocks)
    {
        for (; blocks > 0; blocks--, source += 144)
        {
            float d = HalfConversion.ToFloat(*(ushort*)source);
            float dmin = HalfConversion.ToFloat(*(ushort*)(source + 2));
            for (int group = 0; group < Groups; group++, destination += Group)
            {
                (int sixBitScale, int sixBitMinimum) = ScaleAndMinimum(source + 4, group);
                float scale = d * sixBitScale;
                float minimum = dmin * sixBitMinimum;
                byte* q = source + 16 + Group * (group >> 1);
                int shift = 4 * (group & 1);
                for (int i = 0; i < Group; i++) destination[i] = scale * ((q[i] >> shift) & 15) - minimum;
            }
        }
    }

    // d (2), dmin (2), scales[12] as in Q4_K, fifth[32] (bit g of byte i for value i of group g), q[128] as in Q4_K: 176 bytes
    public static void Q5_K(byte* source, float* destination, int blocks)
    {
        for (; blocks > 0; blocks--, source += 176)
        {
            float d = HalfConversion.ToFloat(*(ushort*)source);
            float dmin = HalfConversion.ToFloat(*(ushort*)(source + 2));
            byte* fifth = source + 16;
            for (int group = 0; group < Groups; group++, destination += Group)
            {
                (int sixBitScale, int sixBitMinimum) = ScaleAndMinimum(source + 4, group);
                float scale = d * sixBitScale;
                float minimum = dmin * sixBitMinimum;
                byte* q = source + 48 + Group * (group >> 1);
                int shift = 4 * (group & 1);
                for (int i = 0; i < Group; i++)
                    destination[i] = scale * (((q[i] >> shift) & 15) + ((fifth[i] >> group) & 1) * 16) - minimum;
            }
        }
    }

    // low[128], high[64], scales[16] signed, d (2): 210 bytes. x = d * scale * (c - 32).
    // Half n uses low[64n..] and high[32n..]: its groups 0 to 3 have the low nibbles of low[0..31], of low[32..63], the high nibbles of
    // low[0..31], of low[32..63], and above them bits 0-1, 2-3, 4-5, 6-7 of high[0..31].
    public static void Q6_K(byte* source, float* destination, int blocks)
    {
        for (; blocks > 0; blocks--, source += 210)
        {
            sbyte* scales = (sbyte*)(source + 192);
            float d = HalfConversion.ToFloat(*(ushort*)(source + 208));
            for (int run = 0; run < Runs; run++, destination += Run)
            {
                int half = run >> 3;
                int group = (run >> 1) & 3;
                byte* low = source + 64 * half + Group * (group & 1) + Run * (run & 1);
                byte* high = source + 128 + 32 * half + Run * (run & 1);
                int lowShift = 4 * (group >> 1);
                int highShift = 2 * group;
                float scale = d * scales[run];
                for (int i = 0; i < Run; i++)
                    destination[i] = scale * ((((low[i] >> lowShift) & 15) | ((high[i] >> highShift) & 3) << 4) - 32);
            }
        }
    }

    /// <summary>The six-bit scale and minimum of group 0 to 7 in the 12 bytes of Q4_K and Q5_K.</summary>
    public static (int Scale, int Minimum) ScaleAndMinimum(byte* scales, int group) => group < 4
        ? (scales[group] & 63, scales[group + 4] & 63)
        : ((scales[group + 4] & 15) | (scales[group - 4] >> 6) << 4, (scales[group + 4] >> 4) | (scales[group] >> 6) << 4);

    /// <summary>The six-bit scale (32 too large) of run 0 to 15 in the 12 bytes of Q3_K.</summary>
    private static int SixBitScale(byte* scales, int run)
    {
        int low = run < 8 ? scales[run] & 15 : scales[run - 8] >> 4;
        int high = (scales[8 + (run & 3)] >> (2 * (run >> 2))) & 3;
        return low | high << 4;
    }

    // Two-bit codes lie in halves of 128: group k of a half has bits 2k and 2k+1 of its 32 bytes.
    private static int TwoBitBytes(int run) => 32 * (run >> 3) + Run * (run & 1);

    private static int TwoBitShift(int run) => 2 * ((run >> 1) & 3);
}
