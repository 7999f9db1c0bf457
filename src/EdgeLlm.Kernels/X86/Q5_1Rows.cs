using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>d, m, fifth bits (uint32), nibbles[16]: d * code + m.</summary>
internal readonly unsafe struct Q5_1Rows : IRowFormat
{
    public static CodeRange Range => CodeRange.SixBits;

    public static int Bias => 0;

    public static bool HasScalePer16 => false;

    public static bool HasOffset => true;

    public static int BlockBytes => 24;

    public static int Groups => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int group, out Vector256<byte> first, out Vector256<byte> second)
    {
        CodeBits.Nibbles(lower + 8, upper + 8, out first, out second);
        CodeBits.AddFifth(lower + 4, upper + 4, ref first, ref second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint groupStride)
    {
        Vector256<uint> both = RowGather.Lanes(block, stride);
        RowGather.LowerHalfs(both).Store(scales);
        RowGather.UpperHalfs(both).Store(scales + Panel.Rows);
    }
}
