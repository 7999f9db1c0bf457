namespace EdgeLlm.Kernels.Formats;

/// <summary>
/// Quantized weights as the kernels multiply them: 32 columns of a row as int8 with one float scale (and, for types that have a minimum,
/// an offset) for all 32 or for each 16. The weight is scale * q + offset.
/// </summary>
internal static unsafe partial class BlockUnpacker
{
    /// <summary>True where each 16 columns have a scale of their own; else both halves of 32 share one.</summary>
    public static bool HasScalePer16(ElementType type) => type is ElementType.Q2_K or ElementType.Q3_K or ElementType.Q6_K;

    /// <summary>True where weights have an offset beside the scale.</summary>
    public static bool HasOffset(ElementType type) =>
        type is ElementType.Q4_1 or ElementType.Q5_1 or ElementType.Q2_K or ElementType.Q4_K or ElementType.Q5_K;

    /// <summary>True where weights of a type can be multiplied with int8 activations.</summary>
    public static bool CanUnpack(ElementType type) => type is
        ElementType.Q4_0 or ElementType.Q4_1 or ElementType.Q5_0 or ElementType.Q5_1 or ElementType.Q8_0 or ElementType.IQ4_NL or ElementType.IQ4_XS or
        ElementType.Q2_K or ElementType.Q3_K or ElementType.Q4_K or ElementType.Q5_K or ElementType.Q6_K;

    /// <summary>Unpacks columns 32 * group to 32 * group + 31 of a row.</summary>
    /// <param name="q">[32]</param>
    /// <param name="scales">[2], one per 16 columns; equal where the type has one per 32.</param>
    /// <param name="offsets">[2]; written only where <see cref="HasOffset"/>.</param>
    public static void Unpack(ElementType type, byte* row, int group, sbyte* q, float* scales, float* offsets)
    {
        switch (type)
        {
            case ElementType.Q4_0: UnpackQ4_0(row + group * 18L, q, scales); break;
            case ElementType.Q4_1: UnpackQ4_1(row + group * 20L, q, scales, offsets); break;
            case ElementType.Q5_0: UnpackQ5_0(row + group * 22L, q, scales); break;
            case ElementType.Q5_1: UnpackQ5_1(row + group * 24L, q, scales, offsets); break;
            case ElementType.Q8_0: UnpackQ8_0(row + group * 34L, q, scales); break;
            case ElementType.IQ4_NL: UnpackIQ4_NL(row + group * 18L, q, scales); break;
            case ElementType.IQ4_XS: UnpackIQ4_XS(row + group / 8 * 136L, group % 8, q, scales); break;
            case ElementType.Q2_K: UnpackQ2_K(row + group / 8 * 84L, group % 8, q, scales, offsets); break;
            case ElementType.Q3_K: UnpackQ3_K(row + group / 8 * 110L, group % 8, q, scales); break;
            case ElementType.Q4_K: UnpackQ4_K(row + group / 8 * 144L, group % 8, q, scales, offsets); break;
            case ElementType.Q5_K: UnpackQ5_K(row + group / 8 * 176L, group % 8, q, scales, offsets); break;
            case ElementType.Q6_K: UnpackQ6_K(row + group / 8 * 210L, group % 8, q, scales); break;
            default: throw new NotSupportedException($"weights of type {type} can't be multiplied with int8 activations");
        }
    }

    private static float Half(byte* at) => HalfConversion.ToFloat(*(ushort*)at);

    private static void SetBoth(float* pair, float value)
    {
        pair[0] = value;
        pair[1] = value;
    }

    private static void UnpackNibbles(byte* nibbles, sbyte* q, int minus)
    {
        for (int j = 0; j < 16; j++)
        {
            q[j] = (sbyte)((nibbles[j] & 15) - minus);
            q[16 + j] = (sbyte)((nibbles[j] >> 4) - minus);
        }
    }
}
