using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Kernels.X86;

/// <summary>
/// Eight rows times one token, straight from the file's blocks. Lanes are columns while codes are multiplied; per block the sums of eight rows
/// are brought into the lanes of one vector, for one conversion and one fused multiply-add.
/// </summary>
internal static unsafe class RowProduct<TDot, TFormat>
    where TDot : struct, IByteDot
    where TFormat : struct, IRowFormat
{
    /// <summary>From one group's scales to the next in scratch: two halves of scales and two of offsets.</summary>
    private const int GroupStride = 4 * Panel.Rows;

    /// <summary>How far ahead of the products weights are asked for.</summary>
    private const int PrefetchBytes = 4096;

    public const int ScratchFloats = 8 * GroupStride;

    /// <param name="rows">Eight rows, <paramref name="stride"/> bytes apart.</param>
    /// <param name="starts">Per block two ints, as in <see cref="TokenTile"/>; not used without a bias.</param>
    /// <param name="scratch"><see cref="ScratchFloats"/>.</param>
    public static Vector256<float> Multiply(byte* rows, nint stride, in QuantizedActivations x, int* starts, float* scratch)
    {
        Vector256<float> sum = Vector256<float>.Zero;
        byte* prefetch = rows + PrefetchBytes;
        sbyte* values = x.Values;
        float* activationScale = x.Scales, scaledSum = x.ScaledSums;
        int* sums = x.Sums;
        for (int blocks = x.Blocks / TFormat.Groups; blocks > 0; blocks--, rows += TFormat.BlockBytes)
        {
            for (int line = 0; line < 8 * TFormat.BlockBytes; line += 64) Sse.Prefetch0(prefetch + line);
            prefetch += 8 * TFormat.BlockBytes;
            float* scales = scratch;
            TFormat.Scales(rows, stride, scales, GroupStride);
            for (int group = 0; group < TFormat.Groups; group++, scales += GroupStride, values += 32, activationScale++, scaledSum++, sums += 2)
            {
                SumHalves(rows, stride, group, Vector256.Load(values), out Vector256<int> first, out Vector256<int> second);
                if (TFormat.HasScalePer16)
                {
                    sum = Add(sum, Widen(first), starts, scales, *activationScale, *activationScale * sums[0]);
                    sum = Add(sum, Widen(second), starts + 1, scales + Panel.Rows, *activationScale, *activationScale * sums[1]);
                }
                else
                {
                    Vector256<int> both = TFormat.Range == CodeRange.FourBits ? Widen(TDot.Add(first, second)) : first + second;
                    sum = Add(sum, both, starts, scales, *activationScale, *scaledSum);
                }
                starts += 2;
            }
        }
        return sum;
    }

    /// <summary>For each half of 32 columns the sums of the eight rows: narrow for four bits, else wide.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SumHalves(byte* rows, nint stride, int group, Vector256<sbyte> x, out Vector256<int> first, out Vector256<int> second)
    {
        nint stride3 = 3 * stride;
        byte* upper = rows + 4 * stride;
        Vector256<int> rows01 = JoinRows(Product(rows, group, x), Product(rows + stride, group, x));
        Vector256<int> rows23 = JoinRows(Product(rows + 2 * stride, group, x), Product(rows + stride3, group, x));
        Vector256<int> rows0123 = JoinPairs(rows01, rows23);
        Vector256<int> rows45 = JoinRows(Product(upper, group, x), Product(upper + stride, group, x));
        Vector256<int> rows67 = JoinRows(Product(upper + 2 * stride, group, x), Product(upper + stride3, group, x));
        Vector256<int> rows4567 = JoinPairs(rows45, rows67);
        first = Avx2.Permute2x128(rows0123, rows4567, 0x20);
        second = Avx2.Permute2x128(rows0123, rows4567, 0x31);
    }

    /// <summary>Four products in each lane: narrow for unsigned codes, wide for signed ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Product(byte* row, int group, Vector256<sbyte> x)
    {
        Vector256<byte> codes = TFormat.Codes(row, group);
        return TFormat.Range == CodeRange.Signed
            ? TDot.AccumulateWide(Vector256<int>.Zero, Avx2.Abs(codes.AsSByte()), Avx2.Sign(x, codes.AsSByte()))
            : TDot.Accumulate(Vector256<int>.Zero, codes, x);
    }

    /// <summary>Lanes l of a and b, l even, become lanes l and l + 1, with their neighbours added. Wide from here on but for four bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> JoinRows(Vector256<int> a, Vector256<int> b)
    {
        Vector256<int> low = Avx2.UnpackLow(a, b), high = Avx2.UnpackHigh(a, b);
        return TFormat.Range switch
        {
            CodeRange.FourBits => TDot.Add(low, high),
            CodeRange.SixBits => TDot.Widen(TDot.Add(low, high)),
            _ => low + high,
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> JoinPairs(Vector256<int> a, Vector256<int> b)
    {
        Vector256<int> low = Avx2.UnpackLow(a.AsInt64(), b.AsInt64()).AsInt32(), high = Avx2.UnpackHigh(a.AsInt64(), b.AsInt64()).AsInt32();
        return TFormat.Range == CodeRange.FourBits ? TDot.Add(low, high) : low + high;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Widen(Vector256<int> sums) => TFormat.Range == CodeRange.FourBits ? TDot.Widen(sums) : sums;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Add(Vector256<float> sum, Vector256<int> dots, int* start, float* scales, float activationScale, float scaledSum)
    {
        if (TFormat.Bias != 0) dots += Vector256.Create(*start);
        sum = Fma.MultiplyAdd(Vector256.Load(scales) * Vector256.Create(activationScale), Vector256.ConvertToSingle(dots), sum);
        return TFormat.HasOffset
            ? Fma.MultiplyAdd(Vector256.Load(scales + Panel.OffsetsAfterScales<TFormat>()), Vector256.Create(scaledSum), sum)
            : sum;
    }
}
