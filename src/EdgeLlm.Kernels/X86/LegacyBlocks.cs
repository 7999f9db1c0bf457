using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>d, nibbles[16]: d * (nibble - 8).</summary>
internal readonly unsafe struct Q4_0Block : IBlockFormat
{
    public static CodeRange Range => CodeRange.FourBits;

    public static int Bias => 8;

    public static int BlockBytes => 18;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int subBlock, out Vector256<byte> first, out Vector256<byte> second) =>
        CodeBits.Nibbles(lower + 2, upper + 2, out first, out second);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint subBlockStride) =>
        RowGather.LowerHalfs(RowGather.Lanes(block, stride)).Store(scales);
}

/// <summary>d, m, nibbles[16]: d * nibble + m.</summary>
internal readonly unsafe struct Q4_1Block : IBlockFormat
{
    public static CodeRange Range => CodeRange.FourBits;

    public static bool HasOffset => true;

    public static int BlockBytes => 20;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int subBlock, out Vector256<byte> first, out Vector256<byte> second) =>
        CodeBits.Nibbles(lower + 4, upper + 4, out first, out second);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint subBlockStride)
    {
        Vector256<uint> both = RowGather.Lanes(block, stride);
        RowGather.LowerHalfs(both).Store(scales);
        RowGather.UpperHalfs(both).Store(scales + WeightPanel.Rows);
    }
}

/// <summary>d, fifth bits (uint32), nibbles[16]: d * (code - 16).</summary>
internal readonly unsafe struct Q5_0Block : IBlockFormat
{
    public static CodeRange Range => CodeRange.SixBits;

    public static int Bias => 16;

    public static int BlockBytes => 22;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int subBlock, out Vector256<byte> first, out Vector256<byte> second)
    {
        CodeBits.Nibbles(lower + 6, upper + 6, out first, out second);
        CodeBits.AddFifth(lower + 2, upper + 2, ref first, ref second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint subBlockStride) =>
        RowGather.LowerHalfs(RowGather.Lanes(block, stride)).Store(scales);
}

/// <summary>d, m, fifth bits (uint32), nibbles[16]: d * code + m.</summary>
internal readonly unsafe struct Q5_1Block : IBlockFormat
{
    public static CodeRange Range => CodeRange.SixBits;

    public static bool HasOffset => true;

    public static int BlockBytes => 24;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int subBlock, out Vector256<byte> first, out Vector256<byte> second)
    {
        CodeBits.Nibbles(lower + 8, upper + 8, out first, out second);
        CodeBits.AddFifth(lower + 4, upper + 4, ref first, ref second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint subBlockStride)
    {
        Vector256<uint> both = RowGather.Lanes(block, stride);
        RowGather.LowerHalfs(both).Store(scales);
        RowGather.UpperHalfs(both).Store(scales + WeightPanel.Rows);
    }
}

/// <summary>d, q[32] int8: d * q.</summary>
internal readonly unsafe struct Q8_0Block : IBlockFormat
{
    public static CodeRange Range => CodeRange.Signed;

    public static int BlockBytes => 34;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int subBlock, out Vector256<byte> first, out Vector256<byte> second)
    {
        first = CodeBits.Pair(lower + 2, upper + 2);
        second = CodeBits.Pair(lower + 18, upper + 18);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint subBlockStride) =>
        RowGather.LowerHalfs(RowGather.Lanes(block, stride)).Store(scales);
}
