using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>d, dmin, scales[12], q[128]; group 2k has the low nibbles of q[32k] to q[32k + 31], group 2k + 1 the high ones: d * scale * code - dmin * minimum.</summary>
internal readonly unsafe struct Q4_KRows : IRowFormat
{
    public static CodeRange Range => CodeRange.FourBits;

    public static int Bias => 0;

    public static bool HasScalePer16 => false;

    public static bool HasOffset => true;

    public static int BlockBytes => 144;

    public static int Groups => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int group, out Vector256<byte> first, out Vector256<byte> second)
    {
        int at = 16 + group / 2 * 32, shift = group % 2 * 4;
        first = CodeBits.Field(lower + at, upper + at, shift, 15);
        second = CodeBits.Field(lower + at + 16, upper + at + 16, shift, 15);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint groupStride) =>
        RowGather.ScalesAndMinimums(block, stride, scales, groupStride);

    public static bool PairsGroups => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pair(byte* lower, byte* upper, int pair, int column, out Vector256<byte> first, out Vector256<byte> second)
    {
        int at = 16 + pair * 32 + column;
        CodeBits.Nibbles(lower + at, upper + at, out first, out second);
    }
}
