namespace EdgeLlm.Quantization.Standard;

/// <summary>Blocks of 256 values: scales of 32 (or 16) of them are small integers under the block's own.</summary>
internal static partial class BlockEncoder
{
    // d, dmin, 8 scales and minimums of 6 bits in 12 bytes, [fifth bits, 32], nibbles [128]: x = d * scale * c - dmin * minimum
    private static void EncodeWithMinimums(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, int bits, Span<byte> block)
    {
        int levels = (1 << bits) - 1;
        Span<float> scales = stackalloc float[8], minimums = stackalloc float[8];
        for (int group = 0; group < 8; group++)
        {
            (float scale, float minimum) =
                LevelFit.ScaleAndMinimum(values.Slice(32 * group, 32), weights.Slice(32 * group, 32), levels, belowZero: true);
            (scales[group], minimums[group]) = (scale, -minimum);
        }
        float d = WriteHalf(Max(scales) / 63, block), dmin = WriteHalf(Max(minimums) / 63, block[2..]);
        block[4..].Clear();
        Span<byte> fifth = bits == 5 ? block.Slice(16, 32) : default, nibbles = block[(bits == 5 ? 48 : 16)..];
        for (int group = 0; group < 8; group++)
        {
            (int scale, int minimum) = LevelFit.Nearby(values.Slice(32 * group, 32), weights.Slice(32 * group, 32), levels, d, dmin,
                Level(scales[group] * Inverse(d), 63), Level(minimums[group] * Inverse(dmin), 63));
            WriteScaleAndMinimum(block[4..16], group, scale, minimum);
            float inverse = Inverse(d * scale), offset = dmin * minimum;
            for (int k = 0; k < 32; k++)
            {
                int code = Level((values[32 * group + k] + offset) * inverse, levels);
                nibbles[group / 2 * 32 + k] |= (byte)((code & 15) << group % 2 * 4);
                if (bits == 5) fifth[k] |= (byte)(code >> 4 << group);
            }
        }
    }

    /// <summary>Six bits each; the upper two of groups 4 to 7 are above those of groups 0 to 3.</summary>
    private static void WriteScaleAndMinimum(Span<byte> packed, int group, int scale, int minimum)
    {
        if (group < 4)
        {
            packed[group] = (byte)scale;
            packed[group + 4] = (byte)minimum;
            return;
        }
        packed[group + 4] = (byte)(scale & 15 | (minimum & 15) << 4);
        packed[group - 4] |= (byte)(scale >> 4 << 6);
        packed[group] |= (byte)(minimum >> 4 << 6);
    }

    // low[128], high[64], scales[16] int8, d: x = d * scale * (c - 32)
    private static void EncodeQ6_K(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        Span<float> scales = stackalloc float[16];
        float largest = 0;
        for (int run = 0; run < 16; run++)
        {
            scales[run] = LevelFit.Scale(values.Slice(16 * run, 16), weights.Slice(16 * run, 16), -32, 31);
            if (MathF.Abs(scales[run]) > MathF.Abs(largest)) largest = scales[run];
        }
        block.Clear();
        float d = WriteHalf(largest / -128, block[208..]);
        for (int run = 0; run < 16; run++)
        {
            int scale = (int)Math.Clamp(MathF.Round(scales[run] * Inverse(d)), -128, 127), group = run / 2;
            block[192 + run] = (byte)(sbyte)scale;
            float inverse = Inverse(d * scale);
            for (int k = 0; k < 16; k++)
            {
                int code = Level(values[16 * run + k] * inverse + 32, 63), place = 16 * (run % 2) + k;
                block[group / 4 * 64 + group % 2 * 32 + place] |= (byte)((code & 15) << group % 4 / 2 * 4);
                block[128 + group / 4 * 32 + place] |= (byte)(code >> 4 << group % 4 * 2);
            }
        }
    }

    private static float Max(ReadOnlySpan<float> values)
    {
        float max = 0;
        foreach (float value in values) max = MathF.Max(max, value);
        return max;
    }
}
