using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Kernels.X86;

/// <summary>d, nibbles[16]: d * table[nibble].</summary>
internal readonly unsafe struct IQ4_NLBlock : IBlockFormat
{
    public static CodeRange Range => CodeRange.Signed;

    public static int BlockBytes => 18;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int subBlock, out Vector256<byte> first, out Vector256<byte> second)
    {
        CodeBits.Nibbles(lower + 2, upper + 2, out first, out second);
        first = CodeBits.NonLinear(first);
        second = CodeBits.NonLinear(second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint subBlockStride) =>
        RowGather.LowerHalfs(RowGather.Lanes(block, stride)).Store(scales);
}

/// <summary>d, high scale bits (uint16), low scale bits[4], q[128] as in IQ4_NL: d * (scale - 32) * table[nibble].</summary>
internal readonly unsafe struct IQ4_XSBlock : IBlockFormat
{
    public static CodeRange Range => CodeRange.Signed;

    public static int BlockBytes => 136;

    public static int SubBlocks => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int subBlock, out Vector256<byte> first, out Vector256<byte> second)
    {
        int at = 8 + 16 * subBlock;
        CodeBits.Nibbles(lower + at, upper + at, out first, out second);
        first = CodeBits.NonLinear(first);
        second = CodeBits.NonLinear(second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint subBlockStride)
    {
        Vector256<uint> first = RowGather.Lanes(block, stride), low = RowGather.Lanes(block + 4, stride);
        Vector256<float> d = RowGather.LowerHalfs(first);
        for (int subBlock = 0; subBlock < SubBlocks; subBlock++, scales += subBlockStride)
        {
            Vector256<uint> scale = (low >> (4 * subBlock) & Vector256.Create(15u))
                | (first >> (16 + 2 * subBlock) & Vector256.Create(3u)) << 4;
            (d * Vector256.ConvertToSingle(scale.AsInt32() - Vector256.Create(32))).Store(scales);
        }
    }
}

/// <summary>e, nibbles[16]: 2^(e - 128) * table[nibble], whose values are doubled.</summary>
internal readonly unsafe struct MXFP4Block : IBlockFormat
{
    public static CodeRange Range => CodeRange.Signed;

    public static int BlockBytes => 17;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int subBlock, out Vector256<byte> first, out Vector256<byte> second)
    {
        CodeBits.Nibbles(lower + 1, upper + 1, out first, out second);
        first = CodeBits.DoubledE2M1(first);
        second = CodeBits.DoubledE2M1(second);
    }

    /// <summary>As <see cref="Formats.BlockUnpacker"/>: e - 1 is the float's exponent, and below 2 the float is subnormal.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint subBlockStride)
    {
        Vector256<uint> e = RowGather.Lanes(block, stride) & Vector256.Create(255u);
        Vector256<uint> subnormal = Avx2.ShiftLeftLogicalVariable(Vector256.Create(0x0020_0000u), e),
            normal = e - Vector256<uint>.One << 23;
        Vector256.ConditionalSelect(Vector256.GreaterThan(e.AsInt32(), Vector256<int>.One).AsUInt32(), normal, subnormal)
            .AsSingle().Store(scales);
    }
}
