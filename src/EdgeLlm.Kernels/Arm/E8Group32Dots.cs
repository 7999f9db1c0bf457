using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

internal readonly unsafe struct E8Group32Dots : IPackedDots
{
    public static int BlockBytes => 256;

    public static bool IsShort => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values, int block,
        out RowSums first, out RowSums second)
    {
        Vector128<sbyte> x0 = AdvSimd.LoadVector128(values + 32 * block), x1 = AdvSimd.LoadVector128(values + (32 * block + 16));
        var q = (sbyte*)codes;
        Vector128<int> low = Vector128<int>.Zero, high = low;
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + 256 * (block % 4)), x0, 0);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * (block % 4) + 16)), x0, 0);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * (block % 4) + 32)), x0, 1);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * (block % 4) + 48)), x0, 1);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * (block % 4) + 64)), x0, 2);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * (block % 4) + 80)), x0, 2);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * (block % 4) + 96)), x0, 3);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * (block % 4) + 112)), x0, 3);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * (block % 4) + 128)), x1, 0);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * (block % 4) + 144)), x1, 0);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * (block % 4) + 160)), x1, 1);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * (block % 4) + 176)), x1, 1);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * (block % 4) + 192)), x1, 2);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * (block % 4) + 208)), x1, 2);
        low = Dp.DotProductBySelectedQuadruplet(low, AdvSimd.LoadVector128(q + (256 * (block % 4) + 224)), x1, 3);
        high = Dp.DotProductBySelectedQuadruplet(high, AdvSimd.LoadVector128(q + (256 * (block % 4) + 240)), x1, 3);
        first = second = new RowSums(low, high);
    }
}
