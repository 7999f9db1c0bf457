using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>d, high scale bits (uint16), low scale bits[4], q[128] as in IQ4_NL: d * (scale - 32) * table[nibble].</summary>
internal readonly unsafe struct IQ4_XSRows : IRowFormat
{
    public static CodeRange Range => CodeRange.Signed;

    public static int Bias => 0;

    public static bool HasScalePer16 => false;

    public static bool HasOffset => false;

    public static int BlockBytes => 136;

    public static int Groups => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int group, out Vector256<byte> first, out Vector256<byte> second)
    {
        int at = 8 + 16 * group;
        CodeBits.Nibbles(lower + at, upper + at, out first, out second);
        first = CodeBits.NonLinear(first);
        second = CodeBits.NonLinear(second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint groupStride)
    {
        Vector256<uint> first = RowGather.Lanes(block, stride), low = RowGather.Lanes(block + 4, stride);
        Vector256<float> d = RowGather.LowerHalfs(first);
        for (int group = 0; group < Groups; group++, scales += groupStride)
        {
            Vector256<uint> scale = (low >> (4 * group) & Vector256.Create(15u)) | (first >> (16 + 2 * group) & Vector256.Create(3u)) << 4;
            (d * Vector256.ConvertToSingle(scale.AsInt32() - Vector256.Create(32))).Store(scales);
        }
    }
}
