using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>SMULL, SMLAL and E4: four products of 63 * 127 fit an int16.</summary>
internal static unsafe class CodebookWideningDots
{
    /// <summary><see cref="IPackedDots.Sum"/>.</summary>
    /// <param name="block">A constant.</param>
    /// <param name="isSplit">A constant: true where each 16 columns have a sub-scale.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(byte* codes, Vector128<sbyte> codebook, sbyte* values, int block, bool isSplit,
        out RowSums first, out RowSums second)
    {
        Vector128<int> x0 = Vector128.Load((int*)values + 8 * block), x1 = Vector128.Load((int*)values + (8 * block + 4));
        sbyte* c = (sbyte*)codes + 128 * (block % 4);
        Vector128<sbyte> half = Vector128.Create((sbyte)15);
        Vector128<sbyte> c0 = Vector128.Load(c), c1 = Vector128.Load(c + 16), c2 = Vector128.Load(c + 32), c3 = Vector128.Load(c + 48);
        Vector128<sbyte> c4 = Vector128.Load(c + 64), c5 = Vector128.Load(c + 80), c6 = Vector128.Load(c + 96),
            c7 = Vector128.Load(c + 112);
        var narrow = NarrowSums.Of(
            AdvSimd.Arm64.VectorTableLookup(codebook, c0 & half), AdvSimd.Arm64.VectorTableLookup(codebook, c1 & half), x0, 0);
        narrow.AddQuad(AdvSimd.Arm64.VectorTableLookup(codebook, c2 & half), AdvSimd.Arm64.VectorTableLookup(codebook, c3 & half), x0, 1);
        narrow.AddQuad(AdvSimd.Arm64.VectorTableLookup(codebook, c4 & half), AdvSimd.Arm64.VectorTableLookup(codebook, c5 & half), x0, 2);
        narrow.AddQuad(AdvSimd.Arm64.VectorTableLookup(codebook, c6 & half), AdvSimd.Arm64.VectorTableLookup(codebook, c7 & half), x0, 3);
        WideSums sums = default;
        sums.Add(narrow, starts: true);
        first = sums.ToRowSums();
        narrow = NarrowSums.Of(
            AdvSimd.Arm64.VectorTableLookup(codebook, c0 >>> 4), AdvSimd.Arm64.VectorTableLookup(codebook, c1 >>> 4), x1, 0);
        narrow.AddQuad(AdvSimd.Arm64.VectorTableLookup(codebook, c2 >>> 4), AdvSimd.Arm64.VectorTableLookup(codebook, c3 >>> 4), x1, 1);
        narrow.AddQuad(AdvSimd.Arm64.VectorTableLookup(codebook, c4 >>> 4), AdvSimd.Arm64.VectorTableLookup(codebook, c5 >>> 4), x1, 2);
        narrow.AddQuad(AdvSimd.Arm64.VectorTableLookup(codebook, c6 >>> 4), AdvSimd.Arm64.VectorTableLookup(codebook, c7 >>> 4), x1, 3);
        sums.Add(narrow, starts: isSplit);
        second = sums.ToRowSums();
        if (!isSplit) first = second;
    }
}
