using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Arm;

internal readonly unsafe struct E4Group32Dots : IPackedDots
{
    public static int BlockBytes => 128;

    public static bool AreNibbles => true;

    public static bool IsShort => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values, int block,
        out RowSums first, out RowSums second) =>
        CodebookDots.Sum(codes, codebook, values, block, false, out first, out second);
}
