using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Arm;

/// <summary>d, q[32]</summary>
internal readonly unsafe struct Q8_0Block : IBlockFormat
{
    public static int BlockBytes => 34;

    public static bool HasOffset => false;

    public static bool IsNarrow => false;

    public static int Bias => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<sbyte> First, Vector128<sbyte> Second) Load(byte* block) => (Vector128.Load((sbyte*)block + 2), Vector128.Load((sbyte*)block + 18));
}
