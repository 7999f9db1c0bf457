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
        Vector128<sbyte> p, q, x;
        Vector128<short> r01, r23, r45, r67;
        p = AdvSimd.Arm64.VectorTableLookup(codebook, c0 & half);
        q = AdvSimd.Arm64.VectorTableLookup(codebook, c1 & half);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x0, 0).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpper(p, x);
        r67 = AdvSimd.MultiplyWideningUpper(q, x);
        r01 = AdvSimd.MultiplyWideningLower(p.GetLower(), x.GetLower());
        r45 = AdvSimd.MultiplyWideningLower(q.GetLower(), x.GetLower());
        p = AdvSimd.Arm64.VectorTableLookup(codebook, c2 & half);
        q = AdvSimd.Arm64.VectorTableLookup(codebook, c3 & half);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x0, 1).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpperAndAdd(r23, p, x);
        r67 = AdvSimd.MultiplyWideningUpperAndAdd(r67, q, x);
        r01 = AdvSimd.MultiplyWideningLowerAndAdd(r01, p.GetLower(), x.GetLower());
        r45 = AdvSimd.MultiplyWideningLowerAndAdd(r45, q.GetLower(), x.GetLower());
        p = AdvSimd.Arm64.VectorTableLookup(codebook, c4 & half);
        q = AdvSimd.Arm64.VectorTableLookup(codebook, c5 & half);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x0, 2).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpperAndAdd(r23, p, x);
        r67 = AdvSimd.MultiplyWideningUpperAndAdd(r67, q, x);
        r01 = AdvSimd.MultiplyWideningLowerAndAdd(r01, p.GetLower(), x.GetLower());
        r45 = AdvSimd.MultiplyWideningLowerAndAdd(r45, q.GetLower(), x.GetLower());
        p = AdvSimd.Arm64.VectorTableLookup(codebook, c6 & half);
        q = AdvSimd.Arm64.VectorTableLookup(codebook, c7 & half);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x0, 3).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpperAndAdd(r23, p, x);
        r67 = AdvSimd.MultiplyWideningUpperAndAdd(r67, q, x);
        r01 = AdvSimd.MultiplyWideningLowerAndAdd(r01, p.GetLower(), x.GetLower());
        r45 = AdvSimd.MultiplyWideningLowerAndAdd(r45, q.GetLower(), x.GetLower());
        WideSums sums = default;
        sums.Start(r01, r23, r45, r67);
        first = sums.ToRowSums();
        p = AdvSimd.Arm64.VectorTableLookup(codebook, c0 >>> 4);
        q = AdvSimd.Arm64.VectorTableLookup(codebook, c1 >>> 4);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x1, 0).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpper(p, x);
        r67 = AdvSimd.MultiplyWideningUpper(q, x);
        r01 = AdvSimd.MultiplyWideningLower(p.GetLower(), x.GetLower());
        r45 = AdvSimd.MultiplyWideningLower(q.GetLower(), x.GetLower());
        p = AdvSimd.Arm64.VectorTableLookup(codebook, c2 >>> 4);
        q = AdvSimd.Arm64.VectorTableLookup(codebook, c3 >>> 4);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x1, 1).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpperAndAdd(r23, p, x);
        r67 = AdvSimd.MultiplyWideningUpperAndAdd(r67, q, x);
        r01 = AdvSimd.MultiplyWideningLowerAndAdd(r01, p.GetLower(), x.GetLower());
        r45 = AdvSimd.MultiplyWideningLowerAndAdd(r45, q.GetLower(), x.GetLower());
        p = AdvSimd.Arm64.VectorTableLookup(codebook, c4 >>> 4);
        q = AdvSimd.Arm64.VectorTableLookup(codebook, c5 >>> 4);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x1, 2).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpperAndAdd(r23, p, x);
        r67 = AdvSimd.MultiplyWideningUpperAndAdd(r67, q, x);
        r01 = AdvSimd.MultiplyWideningLowerAndAdd(r01, p.GetLower(), x.GetLower());
        r45 = AdvSimd.MultiplyWideningLowerAndAdd(r45, q.GetLower(), x.GetLower());
        p = AdvSimd.Arm64.VectorTableLookup(codebook, c6 >>> 4);
        q = AdvSimd.Arm64.VectorTableLookup(codebook, c7 >>> 4);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x1, 3).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpperAndAdd(r23, p, x);
        r67 = AdvSimd.MultiplyWideningUpperAndAdd(r67, q, x);
        r01 = AdvSimd.MultiplyWideningLowerAndAdd(r01, p.GetLower(), x.GetLower());
        r45 = AdvSimd.MultiplyWideningLowerAndAdd(r45, q.GetLower(), x.GetLower());
        if (isSplit) sums.Start(r01, r23, r45, r67);
        else sums.Widen(r01, r23, r45, r67);
        second = sums.ToRowSums();
        if (!isSplit) first = second;
    }
}
