using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

internal readonly unsafe struct E8Group32Dots : IPackedDots
{
    public static int BlockBytes => 256;

    public static bool HasScalePer16 => false;

    public static bool IsShort => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(byte* codes, Vector128<sbyte> codebook, sbyte* values, out RowSums first, out RowSums second)
    {
        Vector128<sbyte> x0 = Vector128.Load(values), x1 = Vector128.Load(values + 16);
        var q = (sbyte*)codes;
        Vector128<int> low = Vector128<int>.Zero, high = low;
        low = Dp.DotProductBySelectedQuadruplet(low, Vector128.Load(q), x0, 0);
        high = Dp.DotProductBySelectedQuadruplet(high, Vector128.Load(q + 16), x0, 0);
        low = Dp.DotProductBySelectedQuadruplet(low, Vector128.Load(q + 32), x0, 1);
        high = Dp.DotProductBySelectedQuadruplet(high, Vector128.Load(q + 48), x0, 1);
        low = Dp.DotProductBySelectedQuadruplet(low, Vector128.Load(q + 64), x0, 2);
        high = Dp.DotProductBySelectedQuadruplet(high, Vector128.Load(q + 80), x0, 2);
        low = Dp.DotProductBySelectedQuadruplet(low, Vector128.Load(q + 96), x0, 3);
        high = Dp.DotProductBySelectedQuadruplet(high, Vector128.Load(q + 112), x0, 3);
        low = Dp.DotProductBySelectedQuadruplet(low, Vector128.Load(q + 128), x1, 0);
        high = Dp.DotProductBySelectedQuadruplet(high, Vector128.Load(q + 144), x1, 0);
        low = Dp.DotProductBySelectedQuadruplet(low, Vector128.Load(q + 160), x1, 1);
        high = Dp.DotProductBySelectedQuadruplet(high, Vector128.Load(q + 176), x1, 1);
        low = Dp.DotProductBySelectedQuadruplet(low, Vector128.Load(q + 192), x1, 2);
        high = Dp.DotProductBySelectedQuadruplet(high, Vector128.Load(q + 208), x1, 2);
        low = Dp.DotProductBySelectedQuadruplet(low, Vector128.Load(q + 224), x1, 3);
        high = Dp.DotProductBySelectedQuadruplet(high, Vector128.Load(q + 240), x1, 3);
        first = second = new RowSums(low, high);
    }
}
