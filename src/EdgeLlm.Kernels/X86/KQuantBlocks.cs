using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>
/// scales[16] (low nibble scale, high nibble minimum), q[64], d, dmin: d * scale * code - dmin * minimum, 16 columns a scale.
/// </summary>
internal readonly unsafe struct Q2_KBlock : IBlockFormat
{
    public static CodeRange Range => CodeRange.FourBits;

    public static bool HasScalePer16 => true;

    public static bool HasOffset => true;

    public static int BlockBytes => 84;

    public static int SubBlocks => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int subBlock, out Vector256<byte> first, out Vector256<byte> second)
    {
        int at = 16 + subBlock / 4 * 32, shift = subBlock % 4 * 2;
        first = CodeBits.Field(lower + at, upper + at, shift, 3);
        second = CodeBits.Field(lower + at + 16, upper + at + 16, shift, 3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint subBlockStride)
    {
        Vector256<uint> both = RowGather.Lanes(block + 80, stride);
        Vector256<float> d = RowGather.LowerHalfs(both), minus = -RowGather.UpperHalfs(both);
        for (int pair = 0; pair < 4; pair++)
        {
            Vector256<uint> bytes = RowGather.Lanes(block + 4 * pair, stride);
            for (int run = 0; run < 4; run++, bytes >>= 8)
            {
                float* target = scales + (2 * pair + run / 2) * subBlockStride + run % 2 * WeightPanel.Rows;
                (d * Vector256.ConvertToSingle((bytes & Vector256.Create(15u)).AsInt32())).Store(target);
                (minus * Vector256.ConvertToSingle((bytes >> 4 & Vector256.Create(15u)).AsInt32())).Store(target + 2 * WeightPanel.Rows);
            }
        }
    }
}

/// <summary>
/// high[32], q[64] as in Q2_K, scales[12] of 6 bits, d: d * (scale - 32) * (code - 4), 16 columns a scale; bit g of high[i] is the third
/// bit.
/// </summary>
internal readonly unsafe struct Q3_KBlock : IBlockFormat
{
    public static CodeRange Range => CodeRange.FourBits;

    public static int Bias => 4;

    public static bool HasScalePer16 => true;

    public static int BlockBytes => 110;

    public static int SubBlocks => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int subBlock, out Vector256<byte> first, out Vector256<byte> second)
    {
        int at = 32 + subBlock / 4 * 32, shift = subBlock % 4 * 2;
        first = CodeBits.Field(lower + at, upper + at, shift, 3) | CodeBits.Field(lower, upper, subBlock, 1, to: 2);
        second = CodeBits.Field(lower + at + 16, upper + at + 16, shift, 3) | CodeBits.Field(lower + 16, upper + 16, subBlock, 1, to: 2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint subBlockStride)
    {
        // Two bytes early, so that nothing is read behind the last block.
        Vector256<float> d = RowGather.UpperHalfs(RowGather.Lanes(block + 106, stride));
        Vector256<uint> high = RowGather.Lanes(block + 104, stride);
        for (int four = 0; four < 4; four++, high >>= 2)
        {
            Vector256<uint> low = RowGather.Lanes(block + 96 + four % 2 * 4, stride) >> (four / 2 * 4);
            Vector256<uint> bytes = (low & Vector256.Create(0x0F0F0F0Fu)) | (high & Vector256.Create(0x03030303u)) << 4;
            for (int run = 0; run < 4; run++, bytes >>= 8)
            {
                Vector256<int> scale = (bytes & Vector256.Create(255u)).AsInt32() - Vector256.Create(32);
                (d * Vector256.ConvertToSingle(scale)).Store(scales + (2 * four + run / 2) * subBlockStride + run % 2 * WeightPanel.Rows);
            }
        }
    }
}

/// <summary>
/// d, dmin, scales[12], q[128]; sub-block 2k has the low nibbles of q[32k] to q[32k + 31], sub-block 2k + 1 the high ones: d * scale *
/// code - dmin * minimum.
/// </summary>
internal readonly unsafe struct Q4_KBlock : IBlockFormat
{
    public static CodeRange Range => CodeRange.FourBits;

    public static bool HasOffset => true;

    public static int BlockBytes => 144;

    public static int SubBlocks => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int subBlock, out Vector256<byte> first, out Vector256<byte> second)
    {
        int at = 16 + subBlock / 2 * 32, shift = subBlock % 2 * 4;
        first = CodeBits.Field(lower + at, upper + at, shift, 15);
        second = CodeBits.Field(lower + at + 16, upper + at + 16, shift, 15);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint subBlockStride) =>
        RowGather.ScalesAndMinimums(block, stride, scales, subBlockStride);

    public static bool PairsSubBlocks => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pair(byte* lower, byte* upper, int pair, int column, out Vector256<byte> first, out Vector256<byte> second)
    {
        int at = 16 + pair * 32 + column;
        CodeBits.Nibbles(lower + at, upper + at, out first, out second);
    }
}

/// <summary>d, dmin, scales[12], fifth[32], q[128]: as Q4_K, with bit g of fifth[i] on top of sub-block g.</summary>
internal readonly unsafe struct Q5_KBlock : IBlockFormat
{
    public static CodeRange Range => CodeRange.SixBits;

    public static bool HasOffset => true;

    public static int BlockBytes => 176;

    public static int SubBlocks => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int subBlock, out Vector256<byte> first, out Vector256<byte> second)
    {
        int at = 48 + subBlock / 2 * 32, shift = subBlock % 2 * 4;
        first = CodeBits.Field(lower + at, upper + at, shift, 15) | CodeBits.Field(lower + 16, upper + 16, subBlock, 1, to: 4);
        second = CodeBits.Field(lower + at + 16, upper + at + 16, shift, 15) | CodeBits.Field(lower + 32, upper + 32, subBlock, 1, to: 4);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint subBlockStride) =>
        RowGather.ScalesAndMinimums(block, stride, scales, subBlockStride);
}

/// <summary>low[128], high[64], scales[16] int8, d: d * scale * (code - 32), 16 columns a scale.</summary>
internal readonly unsafe struct Q6_KBlock : IBlockFormat
{
    public static CodeRange Range => CodeRange.SixBits;

    public static int Bias => 32;

    public static bool HasScalePer16 => true;

    public static int BlockBytes => 210;

    public static int SubBlocks => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int subBlock, out Vector256<byte> first, out Vector256<byte> second)
    {
        int half = subBlock / 4, quarter = subBlock % 4, at = half * 64 + quarter % 2 * 32, high = 128 + half * 32, shift = quarter / 2 * 4;
        first = CodeBits.Field(lower + at, upper + at, shift, 15) | CodeBits.Field(lower + high, upper + high, quarter * 2, 3, to: 4);
        at += 16;
        high += 16;
        second = CodeBits.Field(lower + at, upper + at, shift, 15) | CodeBits.Field(lower + high, upper + high, quarter * 2, 3, to: 4);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint subBlockStride)
    {
        // Two bytes early, so that nothing is read behind the last block.
        Vector256<float> d = RowGather.UpperHalfs(RowGather.Lanes(block + 206, stride));
        var (s0, s1, s2, s3) = RowGather.SixteenBytes(block + 192, stride);
        Store(d, s0, scales, subBlockStride);
        Store(d, s1, scales + 2 * subBlockStride, subBlockStride);
        Store(d, s2, scales + 4 * subBlockStride, subBlockStride);
        Store(d, s3, scales + 6 * subBlockStride, subBlockStride);
    }

    /// <summary>The scales of two sub-blocks, four bytes in each lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<float> d, Vector256<uint> bytes, float* scales, nint subBlockStride)
    {
        Vector256<int> s = bytes.AsInt32();
        (d * Vector256.ConvertToSingle(s << 24 >> 24)).Store(scales);
        (d * Vector256.ConvertToSingle(s << 16 >> 24)).Store(scales + WeightPanel.Rows);
        (d * Vector256.ConvertToSingle(s << 8 >> 24)).Store(scales + subBlockStride);
        (d * Vector256.ConvertToSingle(s >> 24)).Store(scales + subBlockStride + WeightPanel.Rows);
    }

    public static bool Expands => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Expand(byte* lower, byte* upper, byte* codes)
    {
        Vector256<byte> top = Vector256.Create((byte)0x30);
        for (int half = 0; half < 2; half++, codes += 256)
        {
            for (int at = 0; at < 32; at += 16)
            {
                // 16 columns of the first and third sub-block, of the second and fourth, and the upper bits of all four
                int low = 64 * half + at, high = 128 + 32 * half + at;
                CodeBits.Nibbles(lower + low, upper + low, out Vector256<byte> q0, out Vector256<byte> q2);
                CodeBits.Nibbles(lower + low + 32, upper + low + 32, out Vector256<byte> q1, out Vector256<byte> q3);
                Vector256<ushort> bits = CodeBits.Pair(lower + high, upper + high).AsUInt16();
                (q0 | ((bits << 4).AsByte() & top)).Store(codes + 2 * at);
                (q1 | ((bits << 2).AsByte() & top)).Store(codes + 2 * at + 64);
                (q2 | (bits.AsByte() & top)).Store(codes + 2 * at + 128);
                (q3 | ((bits >> 2).AsByte() & top)).Store(codes + 2 * at + 192);
            }
        }
    }
}
