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
