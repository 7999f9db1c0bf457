using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>d, m, nibbles[16]: d * nibble + m.</summary>
internal readonly unsafe struct Q4_1Rows : IRowFormat
{
    public static CodeRange Range => CodeRange.FourBits;

    public static int Bias => 0;

    public static bool HasScalePer16 => false;

    public static bool HasOffset => true;

    public static int BlockBytes => 20;

    public static int Groups => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int group, out Vector256<byte> first, out Vector256<byte> second) =>
        CodeBits.Nibbles(lower + 4, upper + 4, out first, out second);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint groupStride)
    {
        Vector256<uint> both = RowGather.Lanes(block, stride);
        RowGather.LowerHalfs(both).Store(scales);
        RowGather.UpperHalfs(both).Store(scales + Panel.Rows);
    }
}
