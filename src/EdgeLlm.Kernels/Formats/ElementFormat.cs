using System.Diagnostics.CodeAnalysis;

namespace EdgeLlm.Kernels.Formats;

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
