using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>SDOT and codes that are not nibbles (E5, E3).</summary>
internal readonly unsafe struct QuadDots<TQuads> : IPackedDots where TQuads : struct, IQuads
{
    public static int BlockBytes => TQuads.BlockBytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values, int block,
        out RowSums first, out RowSums second)
    {
        Vector128<sbyte> x0 = AdvSimd.LoadVector128(values + 32 * block), x1 = AdvSimd.LoadVector128(values + (32 * block + 16));
        Vector128<int> low = Vector128<int>.Zero, high = low;
        byte* block0 = codes + TQuads.BlockBytes * (block % 4);
        low = Dp.DotProductBySelectedQuadruplet(low, TQuads.Values(block0, codebook, upper, 0, 0), x0, 0);
        high = Dp.DotProductBySelectedQuadruplet(high, TQuads.Values(block0, codebook, upper, 0, 1), x0, 0);
        low = Dp.DotProductBySelectedQuadruplet(low, TQuads.Values(block0, codebook, upper, 1, 0), x0, 1);
        high = Dp.DotProductBySelectedQuadruplet(high, TQuads.Values(block0, codebook, upper, 1, 1), x0, 1);
        low = Dp.DotProductBySelectedQuadruplet(low, TQuads.Values(block0, codebook, upper, 2, 0), x0, 2);
        high = Dp.DotProductBySelectedQuadruplet(high, TQuads.Values(block0, codebook, upper, 2, 1), x0, 2);
        low = Dp.DotProductBySelectedQuadruplet(low, TQuads.Values(block0, codebook, upper, 3, 0), x0, 3);
        high = Dp.DotProductBySelectedQuadruplet(high, TQuads.Values(block0, codebook, upper, 3, 1), x0, 3);
        low = Dp.DotProductBySelectedQuadruplet(low, TQuads.Values(block0, codebook, upper, 4, 0), x1, 0);
        high = Dp.DotProductBySelectedQuadruplet(high, TQuads.Values(block0, codebook, upper, 4, 1), x1, 0);
        low = Dp.DotProductBySelectedQuadruplet(low, TQuads.Values(block0, codebook, upper, 5, 0), x1, 1);
        high = Dp.DotProductBySelectedQuadruplet(high, TQuads.Values(block0, codebook, upper, 5, 1), x1, 1);
        low = Dp.DotProductBySelectedQuadruplet(low, TQuads.Values(block0, codebook, upper, 6, 0), x1, 2);
        high = Dp.DotProductBySelectedQuadruplet(high, TQuads.Values(block0, codebook, upper, 6, 1), x1, 2);
        low = Dp.DotProductBySelectedQuadruplet(low, TQuads.Values(block0, codebook, upper, 7, 0), x1, 3);
        high = Dp.DotProductBySelectedQuadruplet(high, TQuads.Values(block0, codebook, upper, 7, 1), x1, 3);
        first = second = new RowSums(low, high);
    }

    public static void Unpack(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values)
    {
        TQuads.Values(codes, codebook, upper, 0, 0).Store(values);
        TQuads.Values(codes, codebook, upper, 0, 1).Store(values + 16);
        TQuads.Values(codes, codebook, upper, 1, 0).Store(values + 32);
        TQuads.Values(codes, codebook, upper, 1, 1).Store(values + 48);
        TQuads.Values(codes, codebook, upper, 2, 0).Store(values + 64);
        TQuads.Values(codes, codebook, upper, 2, 1).Store(values + 80);
        TQuads.Values(codes, codebook, upper, 3, 0).Store(values + 96);
        TQuads.Values(codes, codebook, upper, 3, 1).Store(values + 112);
        TQuads.Values(codes, codebook, upper, 4, 0).Store(values + 128);
        TQuads.Values(codes, codebook, upper, 4, 1).Store(values + 144);
        TQuads.Values(codes, codebook, upper, 5, 0).Store(values + 160);
        TQuads.Values(codes, codebook, upper, 5, 1).Store(values + 176);
        TQuads.Values(codes, codebook, upper, 6, 0).Store(values + 192);
        TQuads.Values(codes, codebook, upper, 6, 1).Store(values + 208);
        TQuads.Values(codes, codebook, upper, 7, 0).Store(values + 224);
        TQuads.Values(codes, codebook, upper, 7, 1).Store(values + 240);
    }
}
