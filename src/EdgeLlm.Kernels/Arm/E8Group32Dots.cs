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
    public static void Sum(byte* codes, Vector128<sbyte> codebook, sbyte* values, int block, out RowSums first, out RowSums second)
    {
        Vector128<sbyte> x0 = AdvSimd.LoadVector128(values + 32 * block), x1 = AdvSimd.LoadVector128(values + (32 * block + 16));
        var q = (sbyte*)codes;
        Vector128<int> low = Vector128<int>.Zero, high = low;
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + 256 * block), x0, 0);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * block + 16)), x0, 0);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * block + 32)), x0, 1);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * block + 48)), x0, 1);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * block + 64)), x0, 2);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * block + 80)), x0, 2);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * block + 96)), x0, 3);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * block + 112)), x0, 3);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * block + 128)), x1, 0);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * block + 144)), x1, 0);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * block + 160)), x1, 1);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * block + 176)), x1, 1);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * block + 192)), x1, 2);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * block + 208)), x1, 2);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * block + 224)), x1, 3);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * block + 240)), x1, 3);
        first = second = new RowSums(low, high);
    }
}
