using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>d, dmin, scales[12], fifth[32], q[128]: as Q4_K, with bit g of fifth[i] on top of group g.</summary>
internal readonly unsafe struct Q5_KRows : IRowFormat
{
    public static CodeRange Range => CodeRange.SixBits;

    public static int Bias => 0;

    public static bool HasScalePer16 => false;

    public static bool HasOffset => true;

    public static int BlockBytes => 176;

    public static int Groups => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Codes(byte* block, int group) =>
        CodeBits.Field(block + 48 + group / 2 * 32, group % 2 * 4, 15) | CodeBits.Field(block + 16, group, 1) << 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint groupStride) =>
        RowGather.ScalesAndMinimums(block, stride, scales, groupStride);
}
