using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>SMULL, SMLAL and E3: four products of 63 * 127 fit an int16.</summary>
internal readonly unsafe struct E3Group32WideningDots : IPackedDots
{
    public static int BlockBytes => 96;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values, int block,
        out RowSums first, out RowSums second)
    {
        Vector128<int> x0 = Vector128.Load((int*)values + 8 * block), x1 = Vector128.Load((int*)values + (8 * block + 4));
        byte* at = codes + 96 * (block % 4);
        Vector128<byte> half = Vector128.Create((byte)15);
        // The rings' bytes of rows 0 to 3 (l, m, g) and 4 to 7 (o, p, r).
        Vector128<byte> l = AdvSimd.LoadVector128(at), m = AdvSimd.LoadVector128(at + 32), g = AdvSimd.LoadVector128(at + 64);
        Vector128<byte> o = AdvSimd.LoadVector128(at + 16), p = AdvSimd.LoadVector128(at + 48), r = AdvSimd.LoadVector128(at + 80);
        WideSums sums = default;
        var narrow = NarrowSums.Of(AdvSimd.Arm64.VectorTableLookup(codebook, (l & half).AsSByte()),
            AdvSimd.Arm64.VectorTableLookup(codebook, (o & half).AsSByte()), x0, 0);
        narrow.AddQuad(AdvSimd.Arm64.VectorTableLookup(codebook, (l >>> 3 & half).AsSByte()),
            AdvSimd.Arm64.VectorTableLookup(codebook, (o >>> 3 & half).AsSByte()), x0, 1);
        narrow.AddQuad(AdvSimd.Arm64.VectorTableLookup(codebook, (AdvSimd.ShiftLeftAndInsert(l >>> 6, m, 2) & half).AsSByte()),
            AdvSimd.Arm64.VectorTableLookup(codebook, (AdvSimd.ShiftLeftAndInsert(o >>> 6, p, 2) & half).AsSByte()), x0, 2);
        narrow.AddQuad(AdvSimd.Arm64.VectorTableLookup(codebook, (m >>> 1 & half).AsSByte()),
            AdvSimd.Arm64.VectorTableLookup(codebook, (p >>> 1 & half).AsSByte()), x0, 3);
        sums.Add(narrow, starts: true);
        narrow = NarrowSums.Of(AdvSimd.Arm64.VectorTableLookup(codebook, (m >>> 4).AsSByte()),
            AdvSimd.Arm64.VectorTableLookup(codebook, (p >>> 4).AsSByte()), x1, 0);
        narrow.AddQuad(AdvSimd.Arm64.VectorTableLookup(codebook, (AdvSimd.ShiftLeftAndInsert(m >>> 7, g, 1) & half).AsSByte()),
            AdvSimd.Arm64.VectorTableLookup(codebook, (AdvSimd.ShiftLeftAndInsert(p >>> 7, r, 1) & half).AsSByte()), x1, 1);
        narrow.AddQuad(AdvSimd.Arm64.VectorTableLookup(codebook, (g >>> 2 & half).AsSByte()),
            AdvSimd.Arm64.VectorTableLookup(codebook, (r >>> 2 & half).AsSByte()), x1, 2);
        narrow.AddQuad(AdvSimd.Arm64.VectorTableLookup(codebook, (AdvSimd.ShiftLeftAndInsert(g >>> 5, l, 3) & half).AsSByte()),
            AdvSimd.Arm64.VectorTableLookup(codebook, (AdvSimd.ShiftLeftAndInsert(r >>> 5, o, 3) & half).AsSByte()), x1, 3);
        sums.Add(narrow);
        first = second = sums.ToRowSums();
    }

    public static void Unpack(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values) =>
        E3Group32Dots.Unpack(codes, codebook, upper, values);
}
