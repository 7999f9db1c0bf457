using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>d, nibbles[16]: d * (nibble - 8).</summary>
internal readonly unsafe struct Q4_0Rows : IRowFormat
{
    public static CodeRange Range => CodeRange.FourBits;

    public static int Bias => 8;

    public static bool HasScalePer16 => false;

    public static bool HasOffset => false;

    public static int BlockBytes => 18;

    public static int Groups => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int group, out Vector256<byte> first, out Vector256<byte> second) =>
        CodeBits.Nibbles(lower + 2, upper + 2, out first, out second);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint groupStride) =>
        RowGather.LowerHalfs(RowGather.Lanes(block, stride)).Store(scales);
}
