using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Arm;

internal readonly unsafe struct E8Group32WideningDots : IPackedDots
{
    public static int BlockBytes => 256;

    public static int SubScaleBytes => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(byte* codes, sbyte* subScales, Vector128<sbyte> codebook, sbyte* values, int shift, ref Vector128<int> low, ref Vector128<int> high)
    {
        Vector128<sbyte> x0 = Vector128.Load(values), x1 = Vector128.Load(values + 16);
        var q = (sbyte*)codes;
        PackedProducts.AddScaled(Sum(q, x0) + Sum(q + 128, x1), Sum(q + 16, x0) + Sum(q + 144, x1), subScales, shift, ref low, ref high);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Sum(sbyte* q, Vector128<sbyte> x) =>
        WideningQuads.Wide(Vector128.Load(q), Vector128.Load(q + 32), Vector128.Load(q + 64), Vector128.Load(q + 96), x);
}
