using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>scales[16] (low nibble scale, high nibble minimum), q[64], d, dmin: d * scale * code - dmin * minimum, 16 columns a scale.</summary>
internal readonly unsafe struct Q2_KRows : IRowFormat
{
    public static CodeRange Range => CodeRange.FourBits;

    public static int Bias => 0;

    public static bool HasScalePer16 => true;

    public static bool HasOffset => true;

    public static int BlockBytes => 84;

    public static int Groups => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Codes(byte* lower, byte* upper, int group, out Vector256<byte> first, out Vector256<byte> second)
    {
        int at = 16 + group / 4 * 32, shift = group % 4 * 2;
        first = CodeBits.Field(lower + at, upper + at, shift, 3);
        second = CodeBits.Field(lower + at + 16, upper + at + 16, shift, 3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint groupStride)
    {
        Vector256<uint> both = RowGather.Lanes(block + 80, stride);
        Vector256<float> d = RowGather.LowerHalfs(both), minus = -RowGather.UpperHalfs(both);
        for (int pair = 0; pair < 4; pair++)
        {
            Vector256<uint> bytes = RowGather.Lanes(block + 4 * pair, stride);
            for (int run = 0; run < 4; run++, bytes >>= 8)
            {
                float* target = scales + (2 * pair + run / 2) * groupStride + run % 2 * Panel.Rows;
                (d * Vector256.ConvertToSingle((bytes & Vector256.Create(15u)).AsInt32())).Store(target);
                (minus * Vector256.ConvertToSingle((bytes >> 4 & Vector256.Create(15u)).AsInt32())).Store(target + 2 * Panel.Rows);
            }
        }
    }
}
