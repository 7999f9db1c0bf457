using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Arm;

/// <summary>SMULL, SMLAL and codes that are not nibbles (E5, E3): four products of 63 * 127 fit an int16.</summary>
internal readonly unsafe struct QuadWideningDots<TQuads> : IPackedDots where TQuads : struct, IQuads
{
    public static int BlockBytes => TQuads.BlockBytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values, int block,
        out RowSums first, out RowSums second)
    {
        Vector128<int> x0 = Vector128.Load((int*)values + 8 * block), x1 = Vector128.Load((int*)values + (8 * block + 4));
        byte* block0 = codes + TQuads.BlockBytes * (block % 4);
        var narrow = NarrowSums.Of(TQuads.Values(block0, codebook, upper, 0, 0), TQuads.Values(block0, codebook, upper, 0, 1), x0, 0);
        narrow.AddQuad(TQuads.Values(block0, codebook, upper, 1, 0), TQuads.Values(block0, codebook, upper, 1, 1), x0, 1);
        narrow.AddQuad(TQuads.Values(block0, codebook, upper, 2, 0), TQuads.Values(block0, codebook, upper, 2, 1), x0, 2);
        narrow.AddQuad(TQuads.Values(block0, codebook, upper, 3, 0), TQuads.Values(block0, codebook, upper, 3, 1), x0, 3);
        WideSums sums = default;
        sums.Add(narrow, starts: true);
        narrow = NarrowSums.Of(TQuads.Values(block0, codebook, upper, 4, 0), TQuads.Values(block0, codebook, upper, 4, 1), x1, 0);
        narrow.AddQuad(TQuads.Values(block0, codebook, upper, 5, 0), TQuads.Values(block0, codebook, upper, 5, 1), x1, 1);
        narrow.AddQuad(TQuads.Values(block0, codebook, upper, 6, 0), TQuads.Values(block0, codebook, upper, 6, 1), x1, 2);
        narrow.AddQuad(TQuads.Values(block0, codebook, upper, 7, 0), TQuads.Values(block0, codebook, upper, 7, 1), x1, 3);
        sums.Add(narrow);
        first = second = sums.ToRowSums();
    }

    public static void Unpack(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values)
    {
        QuadDots<TQuads>.Unpack(codes, codebook, upper, values);
    }
}
