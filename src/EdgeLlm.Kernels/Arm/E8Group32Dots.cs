using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

internal readonly unsafe struct E8Group32Dots : IPackedDots
{
    public static int BlockBytes => 256;

    public static int SubScaleBytes => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(byte* codes, sbyte* subScales, Vector128<sbyte> codebook, sbyte* values, int shift, ref Vector128<int> low, ref Vector128<int> high)
    {
        Vector128<sbyte> x0 = Vector128.Load(values), x1 = Vector128.Load(values + 16);
        sbyte* q = (sbyte*)codes;
        Vector128<int> low0 = Dp.DotProductBySelectedQuadruplet(Vector128<int>.Zero, Vector128.Load(q), x0, 0);
        Vector128<int> high0 = Dp.DotProductBySelectedQuadruplet(Vector128<int>.Zero, Vector128.Load(q + 16), x0, 0);
        Vector128<int> low1 = Dp.DotProductBySelectedQuadruplet(Vector128<int>.Zero, Vector128.Load(q + 128), x1, 0);
        Vector128<int> high1 = Dp.DotProductBySelectedQuadruplet(Vector128<int>.Zero, Vector128.Load(q + 144), x1, 0);
        low0 = Dp.DotProductBySelectedQuadruplet(low0, Vector128.Load(q + 32), x0, 1);
        high0 = Dp.DotProductBySelectedQuadruplet(high0, Vector128.Load(q + 48), x0, 1);
        low1 = Dp.DotProductBySelectedQuadruplet(low1, Vector128.Load(q + 160), x1, 1);
        high1 = Dp.DotProductBySelectedQuadruplet(high1, Vector128.Load(q + 176), x1, 1);
        low0 = Dp.DotProductBySelectedQuadruplet(low0, Vector128.Load(q + 64), x0, 2);
        high0 = Dp.DotProductBySelectedQuadruplet(high0, Vector128.Load(q + 80), x0, 2);
        low1 = Dp.DotProductBySelectedQuadruplet(low1, Vector128.Load(q + 192), x1, 2);
        high1 = Dp.DotProductBySelectedQuadruplet(high1, Vector128.Load(q + 208), x1, 2);
        low0 = Dp.DotProductBySelectedQuadruplet(low0, Vector128.Load(q + 96), x0, 3);
        high0 = Dp.DotProductBySelectedQuadruplet(high0, Vector128.Load(q + 112), x0, 3);
        low1 = Dp.DotProductBySelectedQuadruplet(low1, Vector128.Load(q + 224), x1, 3);
        high1 = Dp.DotProductBySelectedQuadruplet(high1, Vector128.Load(q + 240), x1, 3);
        PackedProducts.AddScaled(low0 + low1, high0 + high1, subScales, shift, ref low, ref high);
    }
}
