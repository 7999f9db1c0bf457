using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

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
