using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>low[128], high[64], scales[16] int8, d: d * scale * (code - 32), 16 columns a scale.</summary>
internal readonly unsafe struct Q6_KRows : IRowFormat
{
    public static CodeRange Range => CodeRange.SixBits;

    public static int Bias => 32;

    public static bool HasScalePer16 => true;

    public static bool HasOffset => false;

    public static int BlockBytes => 210;

    public static int Groups => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int group, out Vector256<byte> first, out Vector256<byte> second)
    {
        int half = group / 4, quarter = group % 4, at = half * 64 + quarter % 2 * 32, high = 128 + half * 32, shift = quarter / 2 * 4;
        first = CodeBits.Field(lower + at, upper + at, shift, 15) | CodeBits.Field(lower + high, upper + high, quarter * 2, 3, to: 4);
        at += 16;
        high += 16;
        second = CodeBits.Field(lower + at, upper + at, shift, 15) | CodeBits.Field(lower + high, upper + high, quarter * 2, 3, to: 4);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint groupStride)
    {
        // Two bytes early, so that nothing is read behind the last block.
        Vector256<float> d = RowGather.UpperHalfs(RowGather.Lanes(block + 206, stride));
        var (s0, s1, s2, s3) = RowGather.SixteenBytes(block + 192, stride);
        Store(d, s0, scales, groupStride);
        Store(d, s1, scales + 2 * groupStride, groupStride);
        Store(d, s2, scales + 4 * groupStride, groupStride);
        Store(d, s3, scales + 6 * groupStride, groupStride);
    }

    /// <summary>The scales of two groups, four bytes in each lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<float> d, Vector256<uint> bytes, float* scales, nint groupStride)
    {
        Vector256<int> s = bytes.AsInt32();
        (d * Vector256.ConvertToSingle(s << 24 >> 24)).Store(scales);
        (d * Vector256.ConvertToSingle(s << 16 >> 24)).Store(scales + Panel.Rows);
        (d * Vector256.ConvertToSingle(s << 8 >> 24)).Store(scales + groupStride);
        (d * Vector256.ConvertToSingle(s >> 24)).Store(scales + groupStride + Panel.Rows);
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
                // 16 columns of the first and third group, of the second and fourth, and the upper bits of all four
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
