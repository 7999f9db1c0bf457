using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>d, fifth bits (uint32), nibbles[16]: d * (code - 16).</summary>
internal readonly unsafe struct Q5_0Rows : IRowFormat
{
    public static CodeRange Range => CodeRange.SixBits;

    public static int Bias => 16;

    public static bool HasScalePer16 => false;

    public static bool HasOffset => false;

    public static int BlockBytes => 22;

    public static int Groups => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Codes(byte* block, int group) => CodeBits.Nibbles(block + 6) | CodeBits.Fifth(*(uint*)(block + 2));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* block, nint stride, float* scales, nint groupStride) =>
        RowGather.LowerHalfs(RowGather.Lanes(block, stride)).Store(scales);
}
