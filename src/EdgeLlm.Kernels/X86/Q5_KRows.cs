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
    public static void Codes(byte* lower, byte* upper, int group, out Vector256<byte> first, out Vector256<byte> second)
    {
        int at = 48 + group / 2 * 32, shift = group % 2 * 4;
        first = CodeBits.Field(lower + at, upper + at, shift, 15) | CodeBits.Field(lower + 16, upper + 16, group, 1, to: 4);
        second = CodeBits.Field(lower + at + 16, upper + at + 16, shift, 15) | CodeBits.Field(lower + 32, upper + 32, group, 1, to: 4);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint groupStride) =>
        RowGather.ScalesAndMinimums(block, stride, scales, groupStride);
}
