using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>d, q[32] int8: d * q.</summary>
internal readonly unsafe struct Q8_0Rows : IRowFormat
{
    public static CodeRange Range => CodeRange.Signed;

    public static int Bias => 0;

    public static bool HasScalePer16 => false;

    public static bool HasOffset => false;

    public static int BlockBytes => 34;

    public static int Groups => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int group, out Vector256<byte> first, out Vector256<byte> second)
    {
        first = CodeBits.Pair(lower + 2, upper + 2);
        second = CodeBits.Pair(lower + 18, upper + 18);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint groupStride) =>
        RowGather.LowerHalfs(RowGather.Lanes(block, stride)).Store(scales);
}
