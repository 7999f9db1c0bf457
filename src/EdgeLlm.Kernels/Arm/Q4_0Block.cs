using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Arm;

/// <summary>d, nibbles[16]</summary>
internal readonly unsafe struct Q4_0Block : IBlockFormat
{
    public static int BlockBytes => 18;

    public static bool HasOffset => false;

    public static bool IsNarrow => true;

    public static int Bias => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<sbyte> First, Vector128<sbyte> Second) Load(byte* block)
    {
        Vector128<byte> nibbles = Vector128.Load(block + 2);
        return ((nibbles & Vector128.Create((byte)15)).AsSByte(), (nibbles >> 4).AsSByte());
    }
}
