using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// 32 columns of a packed group of eight rows times one token; a struct type parameter, so that every use is compiled on its own.
/// </summary>
internal unsafe interface IPackedDots
{
    /// <summary>From one 32 columns to the next.</summary>
    static abstract int BlockBytes { get; }

    /// <summary>True where each 16 columns have a sub-scale, else each 32.</summary>
    static virtual bool HasScalePer16 => false;

    /// <summary>
    /// True of E4, whose codes are nibbles; false of values as they are, and of codes that <see cref="Unpack"/> makes such.
    /// </summary>
    static virtual bool AreNibbles => false;

    /// <summary>True where <see cref="Sum"/> is short enough to be in a method eight times.</summary>
    static virtual bool IsShort => false;

    /// <summary>
    /// The dot products over the first 16 columns and the second; where they share a sub-scale over all 32, and no second ones.
    /// </summary>
    /// <param name="codebook">Values of the codes 0 to 15.</param>
    /// <param name="upper">Those of 16 to 31, of E5.</param>
    /// <param name="block">
    /// A constant: how many times 32 columns to skip first, in <paramref name="values"/> up to 7, in <paramref name="codes"/> modulo 4,
    /// since LDP's offsets reach that far.
    /// </param>
    static abstract void Sum(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values, int block,
        out RowSums first, out RowSums second);

    /// <summary>The int8 values [8 quads][8 rows][4] of 32 columns of codes that are neither nibbles nor values.</summary>
    static virtual void Unpack(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values) =>
        throw new NotSupportedException();
}

/// <summary>SDOT and E4. Flat methods: many small ones would exhaust what the compiler is willing to inline.</summary>
internal static unsafe class CodebookDots
{
    /// <summary><see cref="IPackedDots.Sum"/>.</summary>
    /// <param name="block">A constant.</param>
    /// <param name="isSplit">A constant: true where each 16 columns have a sub-scale.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(byte* codes, Vector128<sbyte> codebook, sbyte* values, int block, bool isSplit,
        out RowSums first, out RowSums second)
    {
        Vector128<sbyte> x0 = AdvSimd.LoadVector128(values + 32 * block), x1 = AdvSimd.LoadVector128(values + (32 * block + 16));
        var c = (sbyte*)codes;
        Vector128<sbyte> half = Vector128.Create((sbyte)15);
        Vector128<sbyte> c0 = AdvSimd.LoadVector128(c + 128 * (block % 4)), c1 = AdvSimd.LoadVector128(c + (128 * (block % 4) + 16)),
            c2 = AdvSimd.LoadVector128(c + (128 * (block % 4) + 32)), c3 = AdvSimd.LoadVector128(c + (128 * (block % 4) + 48));
        Vector128<sbyte> c4 = AdvSimd.LoadVector128(c + (128 * (block % 4) + 64)), c5 = AdvSimd.LoadVector128(c + (128 * (block % 4) + 80)),
            c6 = AdvSimd.LoadVector128(c + (128 * (block % 4) + 96)), c7 = AdvSimd.LoadVector128(c + (128 * (block % 4) + 112));
        Vector128<int> low = Vector128<int>.Zero, high = low;
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.Arm64.VectorTableLookup(codebook, c0 & half), x0, 0);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.Arm64.VectorTableLookup(codebook, c1 & half), x0, 0);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.Arm64.VectorTableLookup(codebook, c2 & half), x0, 1);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.Arm64.VectorTableLookup(codebook, c3 & half), x0, 1);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.Arm64.VectorTableLookup(codebook, c4 & half), x0, 2);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.Arm64.VectorTableLookup(codebook, c5 & half), x0, 2);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.Arm64.VectorTableLookup(codebook, c6 & half), x0, 3);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.Arm64.VectorTableLookup(codebook, c7 & half), x0, 3);
        first = new RowSums(low, high);
        if (isSplit) low = high = Vector128<int>.Zero;
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.Arm64.VectorTableLookup(codebook, c0 >>> 4), x1, 0);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.Arm64.VectorTableLookup(codebook, c1 >>> 4), x1, 0);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.Arm64.VectorTableLookup(codebook, c2 >>> 4), x1, 1);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.Arm64.VectorTableLookup(codebook, c3 >>> 4), x1, 1);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.Arm64.VectorTableLookup(codebook, c4 >>> 4), x1, 2);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.Arm64.VectorTableLookup(codebook, c5 >>> 4), x1, 2);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.Arm64.VectorTableLookup(codebook, c6 >>> 4), x1, 3);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.Arm64.VectorTableLookup(codebook, c7 >>> 4), x1, 3);
        second = new RowSums(low, high);
        if (!isSplit) first = second;
    }
}

internal readonly unsafe struct E4Group32Dots : IPackedDots
{
    public static int BlockBytes => 128;

    public static bool AreNibbles => true;

    public static bool IsShort => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values, int block,
        out RowSums first, out RowSums second) =>
        CodebookDots.Sum(codes, codebook, values, block, false, out first, out second);
}

internal readonly unsafe struct E4Group16Dots : IPackedDots
{
    public static int BlockBytes => 128;

    public static bool HasScalePer16 => true;

    public static bool AreNibbles => true;

    public static bool IsShort => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values, int block,
        out RowSums first, out RowSums second) =>
        CodebookDots.Sum(codes, codebook, values, block, true, out first, out second);
}

internal readonly unsafe struct E8Group32Dots : IPackedDots
{
    public static int BlockBytes => 256;

    public static bool IsShort => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values, int block,
        out RowSums first, out RowSums second)
    {
        Vector128<sbyte> x0 = AdvSimd.LoadVector128(values + 32 * block), x1 = AdvSimd.LoadVector128(values + (32 * block + 16));
        var q = (sbyte*)codes;
        Vector128<int> low = Vector128<int>.Zero, high = low;
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + 256 * (block % 4)), x0, 0);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * (block % 4) + 16)), x0, 0);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * (block % 4) + 32)), x0, 1);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * (block % 4) + 48)), x0, 1);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * (block % 4) + 64)), x0, 2);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * (block % 4) + 80)), x0, 2);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * (block % 4) + 96)), x0, 3);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * (block % 4) + 112)), x0, 3);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * (block % 4) + 128)), x1, 0);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * (block % 4) + 144)), x1, 0);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * (block % 4) + 160)), x1, 1);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * (block % 4) + 176)), x1, 1);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * (block % 4) + 192)), x1, 2);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * (block % 4) + 208)), x1, 2);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * (block % 4) + 224)), x1, 3);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * (block % 4) + 240)), x1, 3);
        first = second = new RowSums(low, high);
    }
}
