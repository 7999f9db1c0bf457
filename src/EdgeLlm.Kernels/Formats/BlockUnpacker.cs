using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Formats;

/// <summary>
/// Quantized weights as the kernels multiply them: 32 columns of a row as int8 with one float scale (and, for types that have a minimum,
/// an offset) for all 32 or for each 16. The weight is scale * q + offset, rounded after the product and after the sum: to the bit
/// what ggml's dequantizers give. Layouts as in `golden/blocks/formats.md`; below, `group` is one of 32 values of a block, `half` one
/// of its runs of 16, and `d`, `m` and `dmin` are float16.
/// </summary>
internal static unsafe partial class BlockUnpacker
{
    /// <summary>True where each 16 columns have a scale of their own; else both halves of 32 share one.</summary>
    public static bool HasScalePer16(ElementType type) => type is
        ElementType.Q2_K or ElementType.Q3_K or ElementType.Q6_K or ElementType.NVFP4 or
        ElementType.IQ2_XS or ElementType.IQ2_S or ElementType.IQ1_M;

    /// <summary>True where weights have an offset beside the scale.</summary>
    public static bool HasOffset(ElementType type) =>
        type is ElementType.Q4_1 or ElementType.Q5_1 or ElementType.Q2_K or ElementType.Q4_K or ElementType.Q5_K;

    /// <summary>True where weights of a type can be multiplied with int8 activations: every quantized type that a file can have.</summary>
    public static bool CanUnpack(ElementType type) => type is
        ElementType.Q4_0 or ElementType.Q4_1 or ElementType.Q5_0 or ElementType.Q5_1 or ElementType.Q8_0 or
        ElementType.Q2_K or ElementType.Q3_K or ElementType.Q4_K or ElementType.Q5_K or ElementType.Q6_K or
        ElementType.IQ4_NL or ElementType.IQ4_XS or ElementType.MXFP4 or ElementType.NVFP4 or
        ElementType.Q1_0 or ElementType.Q2_0 or ElementType.TQ1_0 or ElementType.TQ2_0 or
        ElementType.IQ2_XXS or ElementType.IQ2_XS or ElementType.IQ2_S or ElementType.IQ3_XXS or ElementType.IQ3_S or
        ElementType.IQ1_S or ElementType.IQ1_M;

    /// <summary>Unpacks columns 32 * group to 32 * group + 31 of a row.</summary>
    /// <param name="q">[32]</param>
    /// <param name="scales">[2], one per 16 columns; equal where the type has one per 32.</param>
    /// <param name="offsets">[2]; written only where <see cref="HasOffset"/>.</param>
    /// <exception cref="NotSupportedException">The type is not one that <see cref="CanUnpack"/>.</exception>
    public static void Unpack(ElementType type, byte* row, int group, sbyte* q, float* scales, float* offsets)
    {
        switch (type)
        {
            case ElementType.Q4_0: UnpackQ4_0(row + group * 18L, q, scales); break;
            case ElementType.Q4_1: UnpackQ4_1(row + group * 20L, q, scales, offsets); break;
            case ElementType.Q5_0: UnpackQ5_0(row + group * 22L, q, scales); break;
            case ElementType.Q5_1: UnpackQ5_1(row + group * 24L, q, scales, offsets); break;
            case ElementType.Q8_0: UnpackQ8_0(row + group * 34L, q, scales); break;
            case ElementType.Q2_K: UnpackQ2_K(row + group / 8 * 84L, group % 8, q, scales, offsets); break;
            case ElementType.Q3_K: UnpackQ3_K(row + group / 8 * 110L, group % 8, q, scales); break;
            case ElementType.Q4_K: UnpackQ4_K(row + group / 8 * 144L, group % 8, q, scales, offsets); break;
            case ElementType.Q5_K: UnpackQ5_K(row + group / 8 * 176L, group % 8, q, scales, offsets); break;
            case ElementType.Q6_K: UnpackQ6_K(row + group / 8 * 210L, group % 8, q, scales); break;
            case ElementType.IQ4_NL: UnpackIQ4_NL(row + group * 18L, q, scales); break;
            case ElementType.IQ4_XS: UnpackIQ4_XS(row + group / 8 * 136L, group % 8, q, scales); break;
            case ElementType.MXFP4: UnpackMXFP4(row + group * 17L, q, scales); break;
            case ElementType.NVFP4: UnpackNVFP4(row + group / 2 * 36L, group % 2, q, scales); break;
            case ElementType.Q1_0: UnpackQ1_0(row + group / 4 * 18L, group % 4, q, scales); break;
            case ElementType.Q2_0: UnpackQ2_0(row + group / 2 * 18L, group % 2, q, scales); break;
            case ElementType.TQ1_0: UnpackTQ1_0(row + group / 8 * 54L, group % 8, q, scales); break;
            case ElementType.TQ2_0: UnpackTQ2_0(row + group / 8 * 66L, group % 8, q, scales); break;
            case ElementType.IQ2_XXS: UnpackIQ2_XXS(row + group / 8 * 66L, group % 8, q, scales); break;
            case ElementType.IQ2_XS: UnpackIQ2_XS(row + group / 8 * 74L, group % 8, q, scales); break;
            case ElementType.IQ2_S: UnpackIQ2_S(row + group / 8 * 82L, group % 8, q, scales); break;
            case ElementType.IQ3_XXS: UnpackIQ3_XXS(row + group / 8 * 98L, group % 8, q, scales); break;
            case ElementType.IQ3_S: UnpackIQ3_S(row + group / 8 * 110L, group % 8, q, scales); break;
            case ElementType.IQ1_S: UnpackIQ1_S(row + group / 8 * 50L, group % 8, q, scales); break;
            case ElementType.IQ1_M: UnpackIQ1_M(row + group / 8 * 56L, group % 8, q, scales); break;
            default: throw new NotSupportedException($"weights of type {type} can't be multiplied with int8 activations");
        }
    }

    private static float Half(byte* at) => HalfConversion.ToFloat(*(ushort*)at);

    private static void SetBoth(float* pair, float value)
    {
        pair[0] = value;
        pair[1] = value;
    }

    /// <summary>Of each of 16 bytes the bits from `shift` on that `mask` covers; they must be within the byte.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Field(byte* bytes, int shift, byte mask) =>
        (Vector128.Load((ushort*)bytes) >> shift).AsByte() & Vector128.Create(mask);

    /// <summary>16 bytes, each all ones where its bit of `bits` is set and zero elsewhere.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> MaskOf(ushort bits)
    {
        const ulong InEachByte = 0x0101_0101_0101_0101;
        Vector128<byte> places = Vector128.Create(0x8040_2010_0804_0201).AsByte();
        return Vector128.Equals(Vector128.Create((byte)bits * InEachByte, (ulong)(bits >> 8) * InEachByte).AsByte() & places, places);
    }

    /// <summary>Writes 16 codes less the code that stands for zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector128<byte> codes, sbyte zero, sbyte* q) => (codes.AsSByte() - Vector128.Create(zero)).Store(q);
}
