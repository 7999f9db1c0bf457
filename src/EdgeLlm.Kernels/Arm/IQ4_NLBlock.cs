using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>d, nibbles[16] that count in a table</summary>
internal readonly unsafe struct IQ4_NLBlock : IBlockFormat
{
    public static int BlockBytes => 18;

    public static bool HasOffset => false;

    public static bool IsNarrow => false;

    public static int Bias => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<sbyte> First, Vector128<sbyte> Second) Load(byte* block)
    {
        Vector128<byte> nibbles = Vector128.Load(block + 2);
        Vector128<sbyte> table = Vector128.Create(CodePoints.IQ4);
        return (AdvSimd.Arm64.VectorTableLookup(table, (nibbles & Vector128.Create((byte)15)).AsSByte()), AdvSimd.Arm64.VectorTableLookup(table, (nibbles >> 4).AsSByte()));
    }
}
