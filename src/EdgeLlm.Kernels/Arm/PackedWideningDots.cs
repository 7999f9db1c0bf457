using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

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

internal readonly unsafe struct E4Group32WideningDots : IPackedDots
{
    public static int BlockBytes => 128;

    public static bool AreNibbles => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values, int block,
        out RowSums first, out RowSums second) =>
        CodebookWideningDots.Sum(codes, codebook, values, block, false, out first, out second);
}

internal readonly unsafe struct E4Group16WideningDots : IPackedDots
{
    public static int BlockBytes => 128;

    public static bool HasScalePer16 => true;

    public static bool AreNibbles => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values, int block,
        out RowSums first, out RowSums second) =>
        CodebookWideningDots.Sum(codes, codebook, values, block, true, out first, out second);
}

/// <summary>Two products of 127 * 127 fit an int16 (and two of 128 * 127, which a damaged file may ask for).</summary>
internal readonly unsafe struct E8Group32WideningDots : IPackedDots
{
    public static int BlockBytes => 256;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values, int block,
        out RowSums first, out RowSums second)
    {
        Vector128<int> x0 = Vector128.Load((int*)values + 8 * block), x1 = Vector128.Load((int*)values + (8 * block + 4));
        sbyte* q0 = (sbyte*)codes + 256 * (block % 4);
        WideSums sums = default;
        var narrow = NarrowSums.Of(Vector128.Load(q0), Vector128.Load(q0 + 16), x0, 0);
        narrow.AddQuad(Vector128.Load(q0 + 32), Vector128.Load(q0 + 48), x0, 1);
        sums.Add(narrow, starts: true);
        narrow = NarrowSums.Of(Vector128.Load(q0 + 64), Vector128.Load(q0 + 80), x0, 2);
        narrow.AddQuad(Vector128.Load(q0 + 96), Vector128.Load(q0 + 112), x0, 3);
        sums.Add(narrow);
        narrow = NarrowSums.Of(Vector128.Load(q0 + 128), Vector128.Load(q0 + 144), x1, 0);
        narrow.AddQuad(Vector128.Load(q0 + 160), Vector128.Load(q0 + 176), x1, 1);
        sums.Add(narrow);
        narrow = NarrowSums.Of(Vector128.Load(q0 + 192), Vector128.Load(q0 + 208), x1, 2);
        narrow.AddQuad(Vector128.Load(q0 + 224), Vector128.Load(q0 + 240), x1, 3);
        sums.Add(narrow);
        first = second = sums.ToRowSums();
    }
}

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
