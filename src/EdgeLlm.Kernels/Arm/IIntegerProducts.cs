using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// The int8 products that a processor has instructions for; a struct type parameter, so that every use is compiled on its own.
/// </summary>
internal unsafe interface IIntegerProducts
{
    /// <summary>y[t * yStride + r] for the first <paramref name="rows"/> rows of a panel.</summary>
    static abstract void Multiply<TLayout>(in WeightPanel panel, in QuantizedActivations x, int tokens, float* y, nint yStride, int rows)
        where TLayout : struct, IPanelLayout;

    /// <summary>The sums of four rows, a lane each: 32 columns of a, b, c and d with those of x.</summary>
    /// <param name="isNarrow">A constant: true where eight products fit an int16.</param>
    static abstract Vector128<int> RowSums(bool isNarrow, RowCodes a, RowCodes b, RowCodes c, RowCodes d, Vector128<sbyte> x0,
        Vector128<sbyte> x1);

    /// <summary>Sums of four rows, a lane each, over 16 columns, whose codes are from 0 to 63.</summary>
    static abstract Vector128<int> RowSums(Vector128<sbyte> a, Vector128<sbyte> b, Vector128<sbyte> c,
        Vector128<sbyte> d, Vector128<sbyte> x);
}
