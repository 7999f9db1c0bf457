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

    public static bool Expands => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Expand(byte* lower, byte* upper, byte* codes)
    {
        for (int at = 16; at < BlockBytes; at += 32, codes += 128)
        {
            CodeBits.Nibbles(lower + at, upper + at, out Vector256<byte> low, out Vector256<byte> high);
            low.Store(codes);
            high.Store(codes + 64);
            CodeBits.Nibbles(lower + at + 16, upper + at + 16, out low, out high);
            low.Store(codes + 32);
            high.Store(codes + 96);
        }
    }
}
