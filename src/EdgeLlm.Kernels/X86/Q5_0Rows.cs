using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>d, fifth bits (uint32), nibbles[16]: d * (code - 16).</summary>
internal readonly unsafe struct Q5_0Rows : IRowFormat
{
    public static CodeRange Range => CodeRange.SixBits;

    public static int Bias => 16;

    public static bool HasScalePer16 => false;

    public static bool HasOffset => false;

    public static int BlockBytes => 22;

    public static int Groups => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int group, out Vector256<byte> first, out Vector256<byte> second)
    {
        CodeBits.Nibbles(lower + 6, upper + 6, out first, out second);
        CodeBits.AddFifth(lower + 2, upper + 2, ref first, ref second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint groupStride) =>
        RowGather.LowerHalfs(RowGather.Lanes(block, stride)).Store(scales);
}
