using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Arm;

internal readonly unsafe struct E4Group32WideningDots : IPackedDots
{
    public static int BlockBytes => 128;

    public static int SubScaleBytes => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(byte* codes, sbyte* subScales, Vector128<sbyte> codebook, sbyte* values, int shift, ref Vector128<int> low, ref Vector128<int> high)
    {
        Vector128<sbyte> x0 = Vector128.Load(values), x1 = Vector128.Load(values + 16);
        PackedProducts.AddScaled(
            E4Group16WideningDots.First(codes, codebook, x0) + E4Group16WideningDots.Second(codes, codebook, x1),
            E4Group16WideningDots.First(codes + 16, codebook, x0) + E4Group16WideningDots.Second(codes + 16, codebook, x1),
            subScales, shift, ref low, ref high);
    }
}
