using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>SMULL, SMLAL and E5: four products of 63 * 127 fit an int16. Codes as in <see cref="E5Group32Dots"/>.</summary>
internal readonly unsafe struct E5Group32WideningDots : IPackedDots
{
    public static int BlockBytes => 160;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values, int block,
        out RowSums first, out RowSums second)
    {
        Vector128<int> x0 = Vector128.Load((int*)values + 8 * block), x1 = Vector128.Load((int*)values + (8 * block + 4));
        byte* at = codes + 160 * (block % 4);
        Vector128<byte> half = Vector128.Create((byte)15), fifths = Vector128.Create((byte)0x11);
        // Fifth bits of rows 0 to 3 and 4 to 7: bit z of a byte for quad z.
        Vector128<byte> h = AdvSimd.LoadVector128(at + PackedLayout.HighBits),
            i = AdvSimd.LoadVector128(at + (PackedLayout.HighBits + 16));
        WideSums sums = default;
        Vector128<byte> c = AdvSimd.LoadVector128(at), d = AdvSimd.LoadVector128(at + 16);
        Vector128<byte> m = h & fifths, n = i & fifths;
        var narrow = NarrowSums.Of(AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(c & half, m, 4).AsSByte()),
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(d & half, n, 4).AsSByte()), x0, 0);
        narrow.AddQuad(AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(m, c, 4).AsSByte()),
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(n, d, 4).AsSByte()), x1, 0);
        c = AdvSimd.LoadVector128(at + 32);
        d = AdvSimd.LoadVector128(at + 48);
        m = (h >>> 1) & fifths;
        n = (i >>> 1) & fifths;
        narrow.AddQuad(AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(c & half, m, 4).AsSByte()),
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(d & half, n, 4).AsSByte()), x0, 1);
        narrow.AddQuad(AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(m, c, 4).AsSByte()),
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(n, d, 4).AsSByte()), x1, 1);
        sums.Add(narrow, starts: true);
        c = AdvSimd.LoadVector128(at + 64);
        d = AdvSimd.LoadVector128(at + 80);
        m = (h >>> 2) & fifths;
        n = (i >>> 2) & fifths;
        narrow = NarrowSums.Of(AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(c & half, m, 4).AsSByte()),
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(d & half, n, 4).AsSByte()), x0, 2);
        narrow.AddQuad(AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(m, c, 4).AsSByte()),
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(n, d, 4).AsSByte()), x1, 2);
        c = AdvSimd.LoadVector128(at + 96);
        d = AdvSimd.LoadVector128(at + 112);
        m = (h >>> 3) & fifths;
        n = (i >>> 3) & fifths;
        narrow.AddQuad(AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(c & half, m, 4).AsSByte()),
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(d & half, n, 4).AsSByte()), x0, 3);
        narrow.AddQuad(AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(m, c, 4).AsSByte()),
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(n, d, 4).AsSByte()), x1, 3);
        sums.Add(narrow);
        first = second = sums.ToRowSums();
    }

    public static void Unpack(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values) =>
        E5Group32Dots.Unpack(codes, codebook, upper, values);
}
