using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Arm;

internal readonly unsafe struct E4Group32Dots : IPackedDots
{
    public static int BlockBytes => 128;

    public static int SubScaleBytes => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(byte* codes, sbyte* subScales, Vector128<sbyte> codebook, sbyte* values, int shift, ref Vector128<int> low, ref Vector128<int> high)
    {
        E4Group16Dots.Sum(codes, codebook, values, out Vector128<int> low0, out Vector128<int> high0, out Vector128<int> low1, out Vector128<int> high1);
        PackedProducts.AddScaled(low0 + low1, high0 + high1, subScales, shift, ref low, ref high);
    }
}
