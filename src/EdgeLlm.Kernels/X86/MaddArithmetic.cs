using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Kernels.X86;

/// <summary>
/// Packed weights on AVX2. VPMADDUBSW adds two products of a biased codebook value, up to 127, in an int16; two of those and a start, the
/// bias times the four activations, leave in an int16 that wraps around exactly the sum of four unbiased products (63 * 127 * 4 = 32004).
/// VPMADDWD multiplies such sums by the sub-scale times the activations' multiplier, another int16, and adds up pairs: so int32 sums run
/// over 256 columns and no product is converted in between.
/// </summary>
internal readonly unsafe partial struct MaddArithmetic : IPackedArithmetic
{
    /// <summary>
    /// Two int16 for two of the four columns of two quads each: in ints 0, 2, 4, 6 for quads 0 and 1, 2 and 3, and so on.
    /// </summary>
    public static void Starts<TCodes>(sbyte* values, int* starts)
        where TCodes : struct, IPackedCodes
    {
        Vector256<short> pairs = Avx2.MultiplyAddAdjacent(Vector256.Create((byte)PackedTile.Bias), Vector256.Load(values));
        pairs += Avx2.Shuffle(pairs.AsInt32(), 0b10_11_00_01).AsInt16();
        (-pairs).AsInt32().Store(starts);
    }

    /// <summary>Each lane has the scale twice, as int16.</summary>
    public static void Scales(sbyte* subScales, byte* target)
    {
        Vector256<short> scales = Spread(subScales);
        Avx2.ShiftRightArithmetic(scales, 8).Store((short*)target);
        Avx2.ShiftRightArithmetic(scales, 7).Store((short*)target + 16);
        Avx2.ShiftRightArithmetic(scales, 6).Store((short*)target + 32);
        Avx2.ShiftRightArithmetic(scales, 5).Store((short*)target + 48);
    }

    /// <summary>Eight bytes times 256 as int16, each twice.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Spread(sbyte* bytes) => Avx2.Shuffle(
        Vector256.Create(*(long*)bytes).AsByte(),
        Vector256.Create(0x01800180_00800080, 0x03800380_02800280, 0x05800580_04800480, 0x07800780_06800680).AsByte()).AsInt16();

    /// <summary>Sums of two products of signed bytes: magnitudes times activations that take the signs (128 * 127 * 2 = 32512).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> SignedProducts(Vector256<sbyte> codes, Vector256<sbyte> x) =>
        Avx2.MultiplyAddAdjacent(Avx2.Abs(codes), Avx2.Sign(x, codes));
}
