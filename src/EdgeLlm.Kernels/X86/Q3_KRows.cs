using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>high[32], q[64] as in Q2_K, scales[12] of 6 bits, d: d * (scale - 32) * (code - 4), 16 columns a scale; bit g of high[i] is the third bit.</summary>
internal readonly unsafe struct Q3_KRows : IRowFormat
{
    public static CodeRange Range => CodeRange.FourBits;

    public static int Bias => 4;

    public static bool HasScalePer16 => true;

    public static bool HasOffset => false;

    public static int BlockBytes => 110;

    public static int Groups => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int group, out Vector256<byte> first, out Vector256<byte> second)
    {
        int at = 32 + group / 4 * 32, shift = group % 4 * 2;
        first = CodeBits.Field(lower + at, upper + at, shift, 3) | CodeBits.Field(lower, upper, group, 1, to: 2);
        second = CodeBits.Field(lower + at + 16, upper + at + 16, shift, 3) | CodeBits.Field(lower + 16, upper + 16, group, 1, to: 2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint groupStride)
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
                (d * Vector256.ConvertToSingle(scale)).Store(scales + (2 * four + run / 2) * groupStride + run % 2 * Panel.Rows);
            }
        }
    }
}
