using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// SDOT and E5: the lower four bits of a code, with the fifth above them, look up in two registers. Quads z and z + 4 share a byte, and the
/// bits z and z + 4 of the fifth bits' byte are theirs: one mask serves both. Flat, as E4's is.
/// </summary>
internal readonly unsafe struct E5Group32Dots : IPackedDots
{
    public static int BlockBytes => 160;

    public static bool IsShort => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values, int block,
        out RowSums first, out RowSums second)
    {
        Vector128<sbyte> x0 = AdvSimd.LoadVector128(values + 32 * block), x1 = AdvSimd.LoadVector128(values + (32 * block + 16));
        Vector128<byte> half = Vector128.Create((byte)15), fifths = Vector128.Create((byte)0x11);
        // Fifth bits of rows 0 to 3 and 4 to 7: bit z of a byte for quad z.
        Vector128<byte> h = AdvSimd.LoadVector128(codes + (160 * (block % 4) + PackedLayout.HighBits)),
            i = AdvSimd.LoadVector128(codes + (160 * (block % 4) + PackedLayout.HighBits + 16));
        Vector128<int> low = Vector128<int>.Zero, high = low;
        Vector128<byte> c = AdvSimd.LoadVector128(codes + 160 * (block % 4)), d = AdvSimd.LoadVector128(codes + (160 * (block % 4) + 16));
        Vector128<byte> m = h & fifths, n = i & fifths;
        low = Dp.DotProductBySelectedQuadruplet(low,
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(c & half, m, 4).AsSByte()), x0, 0);
        high = Dp.DotProductBySelectedQuadruplet(high,
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(d & half, n, 4).AsSByte()), x0, 0);
        low = Dp.DotProductBySelectedQuadruplet(low,
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(m, c, 4).AsSByte()), x1, 0);
        high = Dp.DotProductBySelectedQuadruplet(high,
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(n, d, 4).AsSByte()), x1, 0);
        c = AdvSimd.LoadVector128(codes + (160 * (block % 4) + 32));
        d = AdvSimd.LoadVector128(codes + (160 * (block % 4) + 48));
        m = (h >>> 1) & fifths;
        n = (i >>> 1) & fifths;
        low = Dp.DotProductBySelectedQuadruplet(low,
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(c & half, m, 4).AsSByte()), x0, 1);
        high = Dp.DotProductBySelectedQuadruplet(high,
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(d & half, n, 4).AsSByte()), x0, 1);
        low = Dp.DotProductBySelectedQuadruplet(low,
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(m, c, 4).AsSByte()), x1, 1);
        high = Dp.DotProductBySelectedQuadruplet(high,
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(n, d, 4).AsSByte()), x1, 1);
        c = AdvSimd.LoadVector128(codes + (160 * (block % 4) + 64));
        d = AdvSimd.LoadVector128(codes + (160 * (block % 4) + 80));
        m = (h >>> 2) & fifths;
        n = (i >>> 2) & fifths;
        low = Dp.DotProductBySelectedQuadruplet(low,
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(c & half, m, 4).AsSByte()), x0, 2);
        high = Dp.DotProductBySelectedQuadruplet(high,
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(d & half, n, 4).AsSByte()), x0, 2);
        low = Dp.DotProductBySelectedQuadruplet(low,
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(m, c, 4).AsSByte()), x1, 2);
        high = Dp.DotProductBySelectedQuadruplet(high,
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(n, d, 4).AsSByte()), x1, 2);
        c = AdvSimd.LoadVector128(codes + (160 * (block % 4) + 96));
        d = AdvSimd.LoadVector128(codes + (160 * (block % 4) + 112));
        m = (h >>> 3) & fifths;
        n = (i >>> 3) & fifths;
        low = Dp.DotProductBySelectedQuadruplet(low,
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(c & half, m, 4).AsSByte()), x0, 3);
        high = Dp.DotProductBySelectedQuadruplet(high,
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(d & half, n, 4).AsSByte()), x0, 3);
        low = Dp.DotProductBySelectedQuadruplet(low,
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(m, c, 4).AsSByte()), x1, 3);
        high = Dp.DotProductBySelectedQuadruplet(high,
            AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(n, d, 4).AsSByte()), x1, 3);
        first = second = new RowSums(low, high);
    }

    public static void Unpack(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values)
    {
        Vector128<byte> half = Vector128.Create((byte)15), fifths = Vector128.Create((byte)0x11);
        // Fifth bits of rows 0 to 3 and 4 to 7: bit z of a byte for quad z.
        Vector128<byte> h = AdvSimd.LoadVector128(codes + PackedLayout.HighBits),
            i = AdvSimd.LoadVector128(codes + (PackedLayout.HighBits + 16));
        Vector128<byte> c = AdvSimd.LoadVector128(codes), d = AdvSimd.LoadVector128(codes + 16);
        Vector128<byte> m = h & fifths, n = i & fifths;
        AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(c & half, m, 4).AsSByte()).Store(values);
        AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(d & half, n, 4).AsSByte()).Store(values + 16);
        AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(m, c, 4).AsSByte()).Store(values + 128);
        AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(n, d, 4).AsSByte()).Store(values + 144);
        c = AdvSimd.LoadVector128(codes + 32);
        d = AdvSimd.LoadVector128(codes + 48);
        m = (h >>> 1) & fifths;
        n = (i >>> 1) & fifths;
        AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(c & half, m, 4).AsSByte()).Store(values + 32);
        AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(d & half, n, 4).AsSByte()).Store(values + 48);
        AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(m, c, 4).AsSByte()).Store(values + 160);
        AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(n, d, 4).AsSByte()).Store(values + 176);
        c = AdvSimd.LoadVector128(codes + 64);
        d = AdvSimd.LoadVector128(codes + 80);
        m = (h >>> 2) & fifths;
        n = (i >>> 2) & fifths;
        AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(c & half, m, 4).AsSByte()).Store(values + 64);
        AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(d & half, n, 4).AsSByte()).Store(values + 80);
        AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(m, c, 4).AsSByte()).Store(values + 192);
        AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(n, d, 4).AsSByte()).Store(values + 208);
        c = AdvSimd.LoadVector128(codes + 96);
        d = AdvSimd.LoadVector128(codes + 112);
        m = (h >>> 3) & fifths;
        n = (i >>> 3) & fifths;
        AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(c & half, m, 4).AsSByte()).Store(values + 96);
        AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftLeftAndInsert(d & half, n, 4).AsSByte()).Store(values + 112);
        AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(m, c, 4).AsSByte()).Store(values + 224);
        AdvSimd.Arm64.VectorTableLookup((codebook, upper), AdvSimd.ShiftRightAndInsert(n, d, 4).AsSByte()).Store(values + 240);
    }
}

/// <summary>SDOT and E3: windows of four bits of rings of 24, whose bytes are 32 apart, look up in a table of 16.</summary>
internal readonly unsafe struct E3Group32Dots : IPackedDots
{
    public static int BlockBytes => 96;

    public static bool IsShort => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values, int block,
        out RowSums first, out RowSums second)
    {
        Vector128<sbyte> x0 = AdvSimd.LoadVector128(values + 32 * block), x1 = AdvSimd.LoadVector128(values + (32 * block + 16));
        Vector128<byte> half = Vector128.Create((byte)15);
        // The rings' bytes of rows 0 to 3 (l, m, g) and 4 to 7 (o, p, r).
        Vector128<byte> l = AdvSimd.LoadVector128(codes + 96 * (block % 4)), m = AdvSimd.LoadVector128(codes + (96 * (block % 4) + 32)),
            g = AdvSimd.LoadVector128(codes + (96 * (block % 4) + 64));
        Vector128<byte> o = AdvSimd.LoadVector128(codes + (96 * (block % 4) + 16)),
            p = AdvSimd.LoadVector128(codes + (96 * (block % 4) + 48)),
            r = AdvSimd.LoadVector128(codes + (96 * (block % 4) + 80));
        Vector128<int> low = Vector128<int>.Zero, high = low;
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.Arm64.VectorTableLookup(codebook, (l & half).AsSByte()), x0, 0);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.Arm64.VectorTableLookup(codebook, (o & half).AsSByte()), x0, 0);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.Arm64.VectorTableLookup(codebook, (l >>> 3 & half).AsSByte()), x0, 1);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.Arm64.VectorTableLookup(codebook, (o >>> 3 & half).AsSByte()), x0, 1);
        low = Dp.DotProductBySelectedQuadruplet(low,
            AdvSimd.Arm64.VectorTableLookup(codebook, (AdvSimd.ShiftLeftAndInsert(l >>> 6, m, 2) & half).AsSByte()), x0, 2);
        high = Dp.DotProductBySelectedQuadruplet(high,
            AdvSimd.Arm64.VectorTableLookup(codebook, (AdvSimd.ShiftLeftAndInsert(o >>> 6, p, 2) & half).AsSByte()), x0, 2);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.Arm64.VectorTableLookup(codebook, (m >>> 1 & half).AsSByte()), x0, 3);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.Arm64.VectorTableLookup(codebook, (p >>> 1 & half).AsSByte()), x0, 3);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.Arm64.VectorTableLookup(codebook, (m >>> 4).AsSByte()), x1, 0);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.Arm64.VectorTableLookup(codebook, (p >>> 4).AsSByte()), x1, 0);
        low = Dp.DotProductBySelectedQuadruplet(low,
            AdvSimd.Arm64.VectorTableLookup(codebook, (AdvSimd.ShiftLeftAndInsert(m >>> 7, g, 1) & half).AsSByte()), x1, 1);
        high = Dp.DotProductBySelectedQuadruplet(high,
            AdvSimd.Arm64.VectorTableLookup(codebook, (AdvSimd.ShiftLeftAndInsert(p >>> 7, r, 1) & half).AsSByte()), x1, 1);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.Arm64.VectorTableLookup(codebook, (g >>> 2 & half).AsSByte()), x1, 2);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.Arm64.VectorTableLookup(codebook, (r >>> 2 & half).AsSByte()), x1, 2);
        low = Dp.DotProductBySelectedQuadruplet(low,
            AdvSimd.Arm64.VectorTableLookup(codebook, (AdvSimd.ShiftLeftAndInsert(g >>> 5, l, 3) & half).AsSByte()), x1, 3);
        high = Dp.DotProductBySelectedQuadruplet(high,
            AdvSimd.Arm64.VectorTableLookup(codebook, (AdvSimd.ShiftLeftAndInsert(r >>> 5, o, 3) & half).AsSByte()), x1, 3);
        first = second = new RowSums(low, high);
    }

    public static void Unpack(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values)
    {
        Vector128<byte> half = Vector128.Create((byte)15);
        // The rings' bytes of rows 0 to 3 (l, m, g) and 4 to 7 (o, p, r).
        Vector128<byte> l = AdvSimd.LoadVector128(codes), m = AdvSimd.LoadVector128(codes + 32), g = AdvSimd.LoadVector128(codes + 64);
        Vector128<byte> o = AdvSimd.LoadVector128(codes + 16), p = AdvSimd.LoadVector128(codes + 48), r = AdvSimd.LoadVector128(codes + 80);
        AdvSimd.Arm64.VectorTableLookup(codebook, (l & half).AsSByte()).Store(values);
        AdvSimd.Arm64.VectorTableLookup(codebook, (o & half).AsSByte()).Store(values + 16);
        AdvSimd.Arm64.VectorTableLookup(codebook, (l >>> 3 & half).AsSByte()).Store(values + 32);
        AdvSimd.Arm64.VectorTableLookup(codebook, (o >>> 3 & half).AsSByte()).Store(values + 48);
        AdvSimd.Arm64.VectorTableLookup(codebook, (AdvSimd.ShiftLeftAndInsert(l >>> 6, m, 2) & half).AsSByte()).Store(values + 64);
        AdvSimd.Arm64.VectorTableLookup(codebook, (AdvSimd.ShiftLeftAndInsert(o >>> 6, p, 2) & half).AsSByte()).Store(values + 80);
        AdvSimd.Arm64.VectorTableLookup(codebook, (m >>> 1 & half).AsSByte()).Store(values + 96);
        AdvSimd.Arm64.VectorTableLookup(codebook, (p >>> 1 & half).AsSByte()).Store(values + 112);
        AdvSimd.Arm64.VectorTableLookup(codebook, (m >>> 4).AsSByte()).Store(values + 128);
        AdvSimd.Arm64.VectorTableLookup(codebook, (p >>> 4).AsSByte()).Store(values + 144);
        AdvSimd.Arm64.VectorTableLookup(codebook, (AdvSimd.ShiftLeftAndInsert(m >>> 7, g, 1) & half).AsSByte()).Store(values + 160);
        AdvSimd.Arm64.VectorTableLookup(codebook, (AdvSimd.ShiftLeftAndInsert(p >>> 7, r, 1) & half).AsSByte()).Store(values + 176);
        AdvSimd.Arm64.VectorTableLookup(codebook, (g >>> 2 & half).AsSByte()).Store(values + 192);
        AdvSimd.Arm64.VectorTableLookup(codebook, (r >>> 2 & half).AsSByte()).Store(values + 208);
        AdvSimd.Arm64.VectorTableLookup(codebook, (AdvSimd.ShiftLeftAndInsert(g >>> 5, l, 3) & half).AsSByte()).Store(values + 224);
        AdvSimd.Arm64.VectorTableLookup(codebook, (AdvSimd.ShiftLeftAndInsert(r >>> 5, o, 3) & half).AsSByte()).Store(values + 240);
    }
}
