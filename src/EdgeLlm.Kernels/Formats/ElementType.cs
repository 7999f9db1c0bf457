using System.Diagnostics.CodeAnalysis;

namespace EdgeLlm.Kernels.Formats;

/// <summary>
/// How the values of a tensor are stored, with ggml's numbers (`enum ggml_type` of ggml.h), which are what a GGUF file holds.
/// The byte layout of each is in `golden/blocks/formats.md`; sizes are in <see cref="ElementFormat"/>.
/// </summary>
public enum ElementType : uint
{
    /// <summary>IEEE 754 single precision.</summary>
    F32 = 0,
    /// <summary>IEEE 754 half precision.</summary>
    F16 = 1,
    /// <summary>Blocks of 32: 4 bits and a scale.</summary>
    Q4_0 = 2,
    /// <summary>Blocks of 32: 4 bits, a scale and a minimum.</summary>
    Q4_1 = 3,
    /// <summary>Blocks of 32: 5 bits and a scale.</summary>
    Q5_0 = 6,
    /// <summary>Blocks of 32: 5 bits, a scale and a minimum.</summary>
    Q5_1 = 7,
    /// <summary>Blocks of 32: 8 bits and a scale.</summary>
    Q8_0 = 8,
    /// <summary>Blocks of 32: 8 bits, a scale and a sum; activations only, never in a file.</summary>
    Q8_1 = 9,
    /// <summary>Blocks of 256: 2 bits, 16 scales and minimums of 4 bits.</summary>
    Q2_K = 10,
    /// <summary>Blocks of 256: 3 bits, 16 scales of 6 bits.</summary>
    Q3_K = 11,
    /// <summary>Blocks of 256: 4 bits, 8 scales and minimums of 6 bits.</summary>
    Q4_K = 12,
    /// <summary>Blocks of 256: 5 bits, 8 scales and minimums of 6 bits.</summary>
    Q5_K = 13,
    /// <summary>Blocks of 256: 6 bits, 16 scales of 8 bits.</summary>
    Q6_K = 14,
    /// <summary>Blocks of 256: 8 bits, a float scale and 16 sums; activations only, never in a file.</summary>
    Q8_K = 15,
    /// <summary>Blocks of 256: 2.06 bits a weight, a grid of eights.</summary>
    IQ2_XXS = 16,
    /// <summary>Blocks of 256: 2.31 bits a weight, a grid of eights.</summary>
    IQ2_XS = 17,
    /// <summary>Blocks of 256: 3.06 bits a weight, a grid of fours.</summary>
    IQ3_XXS = 18,
    /// <summary>Blocks of 256: 1.56 bits a weight, a grid of eights.</summary>
    IQ1_S = 19,
    /// <summary>Blocks of 32: 4 bits that index a table, and a scale.</summary>
    IQ4_NL = 20,
    /// <summary>Blocks of 256: 3.44 bits a weight, a grid of fours.</summary>
    IQ3_S = 21,
    /// <summary>Blocks of 256: 2.56 bits a weight, a grid of eights.</summary>
    IQ2_S = 22,
    /// <summary>Blocks of 256: 4 bits that index a table, 8 scales of 6 bits.</summary>
    IQ4_XS = 23,
    /// <summary>Signed 8-bit integers.</summary>
    I8 = 24,
    /// <summary>Signed 16-bit integers.</summary>
    I16 = 25,
    /// <summary>Signed 32-bit integers.</summary>
    I32 = 26,
    /// <summary>Signed 64-bit integers.</summary>
    I64 = 27,
    /// <summary>IEEE 754 double precision.</summary>
    F64 = 28,
    /// <summary>Blocks of 256: 1.75 bits a weight, a grid of eights.</summary>
    IQ1_M = 29,
    /// <summary>The upper half of an IEEE 754 single.</summary>
    BF16 = 30,
    /// <summary>Blocks of 256: ternary, five values a byte.</summary>
    TQ1_0 = 34,
    /// <summary>Blocks of 256: ternary, four values a byte.</summary>
    TQ2_0 = 35,
    /// <summary>Blocks of 32: OCP microscaling, e2m1 values and an e8m0 scale.</summary>
    MXFP4 = 39,
    /// <summary>Blocks of 64: e2m1 values and four unsigned e4m3 scales.</summary>
    NVFP4 = 40,
    /// <summary>Blocks of 128: one sign bit a value, and a scale.</summary>
    Q1_0 = 41,
    /// <summary>Blocks of 64: 2 bits and a scale.</summary>
    Q2_0 = 42,
}

/// <summary>Size of an element type: values are stored in whole blocks of a fixed number of bytes.</summary>
public sealed class ElementFormat
{
    // Indexed by the type's number; null where ggml has no such type (any more).
    private static readonly ElementFormat?[] Formats = BuildTable();

    private ElementFormat(ElementType type, int valuesPerBlock, int bytesPerBlock)
    {
        Type = type;
        Name = type.ToString();
        ValuesPerBlock = valuesPerBlock;
        BytesPerBlock = bytesPerBlock;
    }

    /// <summary>The type that this describes.</summary>
    public ElementType Type { get; }

    /// <summary>The type's name as ggml writes it, such as `Q4_K`.</summary>
    public string Name { get; }

    /// <summary>Values in a block; 1 for plain numbers.</summary>
    public int ValuesPerBlock { get; }

    /// <summary>Bytes in a block.</summary>
    public int BytesPerBlock { get; }

    /// <summary>Bits a value takes, scales included.</summary>
    public double BitsPerValue => 8.0 * BytesPerBlock / ValuesPerBlock;

    /// <summary>The format of a type, or false where the number is not one of ggml's.</summary>
    public static bool TryGet(ElementType type, [NotNullWhen(true)] out ElementFormat? format)
    {
        format = (uint)type < (uint)Formats.Length ? Formats[(uint)type] : null;
        return format is not null;
    }

    /// <summary>The format of a type.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is not one of ggml's.</exception>
    public static ElementFormat Get(ElementType type) => TryGet(type, out ElementFormat? format)
        ? format
        : throw new ArgumentOutOfRangeException(nameof(type), type, "not an element type of ggml");

    /// <summary>The bytes that a number of values takes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The type is unknown, or the values are negative or not whole blocks.</exception>
    /// <exception cref="OverflowException">The result does not fit 64 bits.</exception>
    public static long ByteCount(ElementType type, long values)
    {
        ElementFormat format = Get(type);
        if (values < 0 || values % format.ValuesPerBlock != 0)
            throw new ArgumentOutOfRangeException(nameof(values), values,
                $"not whole blocks of {format.ValuesPerBlock} values ({format.Name})");
        return checked(values / format.ValuesPerBlock * format.BytesPerBlock);
    }

    private static ElementFormat?[] BuildTable()
    {
        ReadOnlySpan<(ElementType Type, int Values, int Bytes)> facts =
        [
            (ElementType.F32, 1, 4), (ElementType.F16, 1, 2), (ElementType.BF16, 1, 2), (ElementType.F64, 1, 8),
            (ElementType.I8, 1, 1), (ElementType.I16, 1, 2), (ElementType.I32, 1, 4), (ElementType.I64, 1, 8),
            (ElementType.Q4_0, 32, 18), (ElementType.Q4_1, 32, 20), (ElementType.Q5_0, 32, 22), (ElementType.Q5_1, 32, 24),
            (ElementType.Q8_0, 32, 34), (ElementType.Q8_1, 32, 36), (ElementType.IQ4_NL, 32, 18), (ElementType.MXFP4, 32, 17),
            (ElementType.NVFP4, 64, 36), (ElementType.Q2_0, 64, 18), (ElementType.Q1_0, 128, 18),
            (ElementType.Q2_K, 256, 84), (ElementType.Q3_K, 256, 110), (ElementType.Q4_K, 256, 144), (ElementType.Q5_K, 256, 176),
            (ElementType.Q6_K, 256, 210), (ElementType.Q8_K, 256, 292), (ElementType.IQ4_XS, 256, 136),
            (ElementType.IQ1_S, 256, 50), (ElementType.IQ1_M, 256, 56), (ElementType.IQ2_XXS, 256, 66), (ElementType.IQ2_XS, 256, 74),
            (ElementType.IQ2_S, 256, 82), (ElementType.IQ3_XXS, 256, 98), (ElementType.IQ3_S, 256, 110),
            (ElementType.TQ1_0, 256, 54), (ElementType.TQ2_0, 256, 66),
        ];
        var table = new ElementFormat?[(int)ElementType.Q2_0 + 1];
        foreach ((ElementType type, int values, int bytes) in facts) table[(int)type] = new ElementFormat(type, values, bytes);
        return table;
    }
}
