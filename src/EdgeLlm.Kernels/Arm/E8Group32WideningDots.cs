using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Arm;

/// <summary>Two products of 127 * 127 fit an int16 (and two of 128 * 127, which a damaged file may ask for).</summary>
internal readonly unsafe struct E8Group32WideningDots : IPackedDots
{
    public static int BlockBytes => 256;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values, int block,
        out RowSums first, out RowSums second)
    {
        Vector128<int> x0 = Vector128.Load((int*)values + 8 * block), x1 = Vector128.Load((int*)values + (8 * block + 4));
        sbyte* q0 = (sbyte*)codes + 256 * (block % 4);
        WideSums sums = default;
        var narrow = NarrowSums.Of(Vector128.Load(q0), Vector128.Load(q0 + 16), x0, 0);
        narrow.AddQuad(Vector128.Load(q0 + 32), Vector128.Load(q0 + 48), x0, 1);
        sums.Add(narrow, starts: true);
        narrow = NarrowSums.Of(Vector128.Load(q0 + 64), Vector128.Load(q0 + 80), x0, 2);
        narrow.AddQuad(Vector128.Load(q0 + 96), Vector128.Load(q0 + 112), x0, 3);
        sums.Add(narrow);
        narrow = NarrowSums.Of(Vector128.Load(q0 + 128), Vector128.Load(q0 + 144), x1, 0);
        narrow.AddQuad(Vector128.Load(q0 + 160), Vector128.Load(q0 + 176), x1, 1);
        sums.Add(narrow);
        narrow = NarrowSums.Of(Vector128.Load(q0 + 192), Vector128.Load(q0 + 208), x1, 2);
        narrow.AddQuad(Vector128.Load(q0 + 224), Vector128.Load(q0 + 240), x1, 3);
        sums.Add(narrow);
        first = second = sums.ToRowSums();
    }
}
