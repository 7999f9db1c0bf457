using System.Runtime.InteropServices;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Tests.Formats;

/// <summary>
/// Valid rows of any type that weights are stored in, the same for the same seed: random bits everywhere (so codes that no quantizer
/// would choose, such as -128 in Q8_0, come up too), and scales that are finite, of either sign, of a magnitude from 2^-9 to 2^-4.
/// </summary>
internal static class RandomBlocks
{
    /// <summary>Every type that <see cref="Dequantizer"/> takes.</summary>
    public static IReadOnlyList<ElementType> WeightTypes { get; } =
        [.. Enum.GetValues<ElementType>().Where(type => type is not (ElementType.Q8_1 or ElementType.Q8_K or ElementType.F64
            or ElementType.I8 or ElementType.I16 or ElementType.I32 or ElementType.I64))];

    /// <summary>
    /// Rows one after the other; `columns` is a multiple of the type's block. With <paramref name="fill"/>, every byte but the scales is
    /// that.
    /// </summary>
    public static byte[] Make(ElementType type, int rows, int columns, int seed, byte? fill = null)
    {
        var random = new Random(seed);
        byte[] bytes = new byte[rows * ElementFormat.ByteCount(type, columns)];
        if (fill is { } same) bytes.AsSpan().Fill(same);
        else random.NextBytes(bytes);
        int blockBytes = ElementFormat.Get(type).BytesPerBlock;
        for (int start = 0; start < bytes.Length; start += blockBytes) SetScales(type, bytes.AsSpan(start, blockBytes), random);
        return bytes;
    }

    private static void SetScales(ElementType type, Span<byte> block, Random random)
    {
        switch (type)
        {
            case ElementType.F32:
                MemoryMarshal.Write(block, ModerateValue(random));
                break;
            case ElementType.BF16:
                MemoryMarshal.Write(block, BrainFloatConversion.FromFloat(ModerateValue(random)));
                break;
            case ElementType.MXFP4:
                block[0] = (byte)random.Next(119, 124);
                break;
            case ElementType.NVFP4:
                for (int run = 0; run < 4; run++) block[run] = (byte)random.Next(0, 40); // e4m3 from 0 to 0.23, subnormals among them
                break;
            case ElementType.IQ1_M: // the four nibbles of the scale top four uint16
                ushort scale = BitConverter.HalfToUInt16Bits((Half)ModerateValue(random));
                for (int i = 0; i < 4; i++)
                    block[49 + 2 * i] = (byte)(block[49 + 2 * i] & 15 | ((scale >> (4 * i)) & 15) << 4);
                break;
            default:
                foreach (int offset in HalfOffsets(type)) MemoryMarshal.Write(block[offset..], (Half)ModerateValue(random));
                break;
        }
    }

    /// <summary>Where a block has its halfs.</summary>
    private static ReadOnlySpan<int> HalfOffsets(ElementType type) => type switch
    {
        ElementType.Q4_1 or ElementType.Q5_1 or ElementType.Q4_K or ElementType.Q5_K => [0, 2],
        ElementType.Q2_K => [80, 82],
        ElementType.Q3_K => [108],
        ElementType.Q6_K => [208],
        ElementType.TQ1_0 => [52],
        ElementType.TQ2_0 => [64],
        _ => [0],
    };

    private static float ModerateValue(Random random)
    {
        float magnitude = MathF.ScaleB(1 + random.NextSingle(), random.Next(-9, -4));
        return random.Next(2) == 0 ? magnitude : -magnitude;
    }
}
