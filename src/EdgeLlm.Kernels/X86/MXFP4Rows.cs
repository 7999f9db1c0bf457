using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Kernels.X86;

/// <summary>e, nibbles[16]: 2^(e - 128) * table[nibble], whose values are doubled.</summary>
internal readonly unsafe struct MXFP4Rows : IRowFormat
{
    public static CodeRange Range => CodeRange.Signed;

    public static int Bias => 0;

    public static bool HasScalePer16 => false;

    public static bool HasOffset => false;

    public static int BlockBytes => 17;

    public static int Groups => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int group, out Vector256<byte> first, out Vector256<byte> second)
    {
        CodeBits.Nibbles(lower + 1, upper + 1, out first, out second);
        first = CodeBits.DoubledE2M1(first);
        second = CodeBits.DoubledE2M1(second);
    }

    /// <summary>As <see cref="Formats.BlockUnpacker"/>: e - 1 is the float's exponent, and below 2 the float is subnormal.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint groupStride)
    {
        Vector256<uint> e = RowGather.Lanes(block, stride) & Vector256.Create(255u);
        Vector256<uint> subnormal = Avx2.ShiftLeftLogicalVariable(Vector256.Create(0x0020_0000u), e), normal = e - Vector256<uint>.One << 23;
        Vector256.ConditionalSelect(Vector256.GreaterThan(e.AsInt32(), Vector256<int>.One).AsUInt32(), normal, subnormal).AsSingle().Store(scales);
    }
}
