using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

internal readonly unsafe struct E4Group16WideningDots : IPackedDots
{
    public static int BlockBytes => 128;

    public static int SubScaleBytes => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(byte* codes, sbyte* subScales, Vector128<sbyte> codebook, sbyte* values, int shift, ref Vector128<int> low, ref Vector128<int> high)
    {
        Vector128<sbyte> x0 = Vector128.Load(values), x1 = Vector128.Load(values + 16);
        PackedProducts.AddScaled(First(codes, codebook, x0), First(codes + 16, codebook, x0), subScales, shift, ref low, ref high);
        PackedProducts.AddScaled(Second(codes, codebook, x1), Second(codes + 16, codebook, x1), subScales + 8, shift, ref low, ref high);
    }

    /// <summary>Four rows' dot products over the first 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> First(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> x) =>
        WideningQuads.Narrow(Lower(codes, codebook), Lower(codes + 32, codebook), Lower(codes + 64, codebook), Lower(codes + 96, codebook), x);

    /// <summary>The same over the second 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Second(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> x) =>
        WideningQuads.Narrow(Upper(codes, codebook), Upper(codes + 32, codebook), Upper(codes + 64, codebook), Upper(codes + 96, codebook), x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Lower(byte* codes, Vector128<sbyte> codebook) =>
        AdvSimd.Arm64.VectorTableLookup(codebook, (Vector128.Load(codes) & Vector128.Create((byte)15)).AsSByte());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Upper(byte* codes, Vector128<sbyte> codebook) =>
        AdvSimd.Arm64.VectorTableLookup(codebook, (Vector128.Load(codes) >> 4).AsSByte());
}
