namespace EdgeLlm.Kernels.Formats;

/// <summary>
/// Stored values to floats, equal to the bit with ggml's own dequantizers: float32 products from left to right and no fused
/// multiply-add. This is what each format means; every faster kernel is tested against it.
/// </summary>
internal static unsafe class Dequantizer
{
    /// <summary>Converts `count` values, whole blocks of the type, from `source` on.</summary>
    /// <exception cref="NotSupportedException">The type holds no weights (integers, doubles, ggml's activation types).</exception>
    /// <exception cref="ArgumentOutOfRangeException">The type is unknown, or the count is negative or not whole blocks.</exception>
    public static void ToFloat(ElementType type, byte* source, float* destination, int count)
    {
        ElementFormat format = ElementFormat.Get(type);
        if (count < 0 || count % format.ValuesPerBlock != 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(count), count, $"not whole blocks of {format.ValuesPerBlock} values ({format.Name})");
        }
        int blocks = count / format.ValuesPerBlock;

        switch (type)
        {
            case ElementType.F32: Buffer.MemoryCopy(source, destination, 4L * count, 4L * count); break;
            case ElementType.F16: HalfConversion.ToFloat((ushort*)source, destination, count); break;
            case ElementType.BF16: BrainFloatConversion.ToFloat((ushort*)source, destination, count); break;
            case ElementType.Q4_0: LegacyBlocks.Q4_0(source, destination, blocks); break;
            case ElementType.Q4_1: LegacyBlocks.Q4_1(source, destination, blocks); break;
            case ElementType.Q5_0: LegacyBlocks.Q5_0(source, destination, blocks); break;
            case ElementType.Q5_1: LegacyBlocks.Q5_1(source, destination, blocks); break;
            case ElementType.Q8_0: LegacyBlocks.Q8_0(source, destination, blocks); break;
            case ElementType.Q2_K: KBlocks.Q2_K(source, destination, blocks); break;
            case ElementType.Q3_K: KBlocks.Q3_K(source, destination, blocks); break;
            case ElementType.Q4_K: KBlocks.Q4_K(source, destination, blocks); break;
            case ElementType.Q5_K: KBlocks.Q5_K(source, destination, blocks); break;
            case ElementType.Q6_K: KBlocks.Q6_K(source, destination, blocks); break;
            case ElementType.IQ4_NL: CodePointBlocks.IQ4_NL(source, destination, blocks); break;
            case ElementType.IQ4_XS: CodePointBlocks.IQ4_XS(source, destination, blocks); break;
            case ElementType.MXFP4: CodePointBlocks.MXFP4(source, destination, blocks); break;
            case ElementType.NVFP4: CodePointBlocks.NVFP4(source, destination, blocks); break;
            case ElementType.Q1_0: TernaryBlocks.Q1_0(source, destination, blocks); break;
            case ElementType.Q2_0: TernaryBlocks.Q2_0(source, destination, blocks); break;
            case ElementType.TQ1_0: TernaryBlocks.TQ1_0(source, destination, blocks); break;
            case ElementType.TQ2_0: TernaryBlocks.TQ2_0(source, destination, blocks); break;
            case ElementType.IQ1_S: GridBlocks.IQ1_S(source, destination, blocks); break;
            case ElementType.IQ1_M: GridBlocks.IQ1_M(source, destination, blocks); break;
            case ElementType.IQ2_XXS: GridBlocks.IQ2_XXS(source, destination, blocks); break;
            case ElementType.IQ2_XS: GridBlocks.IQ2_XS(source, destination, blocks); break;
            case ElementType.IQ2_S: GridBlocks.IQ2_S(source, destination, blocks); break;
            case ElementType.IQ3_XXS: GridBlocks.IQ3_XXS(source, destination, blocks); break;
            case ElementType.IQ3_S: GridBlocks.IQ3_S(source, destination, blocks); break;
            default: throw new NotSupportedException($"{format.Name} is not a type that weights are stored in");
        }
    }
}
