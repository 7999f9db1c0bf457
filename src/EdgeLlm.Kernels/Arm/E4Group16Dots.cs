using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

internal readonly unsafe struct E4Group16Dots : IPackedDots
{
    public static int BlockBytes => 128;

    public static int SubScaleBytes => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(byte* codes, sbyte* subScales, Vector128<sbyte> codebook, sbyte* values, int shift, ref Vector128<int> low, ref Vector128<int> high)
    {
        Sum(codes, codebook, values, out Vector128<int> low0, out Vector128<int> high0, out Vector128<int> low1, out Vector128<int> high1);
        PackedProducts.AddScaled(low0, high0, subScales, shift, ref low, ref high);
        PackedProducts.AddScaled(low1, high1, subScales + 8, shift, ref low, ref high);
    }

    /// <summary>Dot products over the first 16 columns (0) and the second (1), for rows 0 to 3 (low) and 4 to 7 (high).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(
        byte* codes, Vector128<sbyte> codebook, sbyte* values, out Vector128<int> low0, out Vector128<int> high0, out Vector128<int> low1, out Vector128<int> high1)
    {
        Vector128<sbyte> x0 = Vector128.Load(values), x1 = Vector128.Load(values + 16);
        Vector128<byte> c0 = Vector128.Load(codes), c1 = Vector128.Load(codes + 16), c2 = Vector128.Load(codes + 32), c3 = Vector128.Load(codes + 48);
        Vector128<byte> c4 = Vector128.Load(codes + 64), c5 = Vector128.Load(codes + 80), c6 = Vector128.Load(codes + 96), c7 = Vector128.Load(codes + 112);
        low0 = Dp.DotProductBySelectedQuadruplet(Vector128<int>.Zero, Lower(codebook, c0), x0, 0);
        high0 = Dp.DotProductBySelectedQuadruplet(Vector128<int>.Zero, Lower(codebook, c1), x0, 0);
        low1 = Dp.DotProductBySelectedQuadruplet(Vector128<int>.Zero, Upper(codebook, c0), x1, 0);
        high1 = Dp.DotProductBySelectedQuadruplet(Vector128<int>.Zero, Upper(codebook, c1), x1, 0);
        low0 = Dp.DotProductBySelectedQuadruplet(low0, Lower(codebook, c2), x0, 1);
        high0 = Dp.DotProductBySelectedQuadruplet(high0, Lower(codebook, c3), x0, 1);
        low1 = Dp.DotProductBySelectedQuadruplet(low1, Upper(codebook, c2), x1, 1);
        high1 = Dp.DotProductBySelectedQuadruplet(high1, Upper(codebook, c3), x1, 1);
        low0 = Dp.DotProductBySelectedQuadruplet(low0, Lower(codebook, c4), x0, 2);
        high0 = Dp.DotProductBySelectedQuadruplet(high0, Lower(codebook, c5), x0, 2);
        low1 = Dp.DotProductBySelectedQuadruplet(low1, Upper(codebook, c4), x1, 2);
        high1 = Dp.DotProductBySelectedQuadruplet(high1, Upper(codebook, c5), x1, 2);
        low0 = Dp.DotProductBySelectedQuadruplet(low0, Lower(codebook, c6), x0, 3);
        high0 = Dp.DotProductBySelectedQuadruplet(high0, Lower(codebook, c7), x0, 3);
        low1 = Dp.DotProductBySelectedQuadruplet(low1, Upper(codebook, c6), x1, 3);
        high1 = Dp.DotProductBySelectedQuadruplet(high1, Upper(codebook, c7), x1, 3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Lower(Vector128<sbyte> codebook, Vector128<byte> codes) =>
        AdvSimd.Arm64.VectorTableLookup(codebook, (codes & Vector128.Create((byte)15)).AsSByte());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Upper(Vector128<sbyte> codebook, Vector128<byte> codes) => AdvSimd.Arm64.VectorTableLookup(codebook, (codes >> 4).AsSByte());
}
