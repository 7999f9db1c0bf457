using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Speech.Detection.TfLite;

/// <summary>Sums of products of 8-bit integers in 32 bits: exact, so the same on every machine in any order.</summary>
internal static class ByteProducts
{
    private const int Lanes = 16, Rows = 4;

    /// <summary>sums[r] += sum over c of weights[r, c] x[c].</summary>
    /// <param name="weights">[<paramref name="sums"/>, <paramref name="x"/>].</param>
    public static void Add(ReadOnlySpan<sbyte> weights, ReadOnlySpan<sbyte> x, Span<int> sums)
    {
        int columns = x.Length, whole = columns / Lanes * Lanes, r = 0;
        ArgumentOutOfRangeException.ThrowIfLessThan(weights.Length, (long)sums.Length * columns);
        ref sbyte input = ref MemoryMarshal.GetReference(x), matrix = ref MemoryMarshal.GetReference(weights);
        for (; r <= sums.Length - Rows; r += Rows)
        {
            ref sbyte first = ref Unsafe.Add(ref matrix, r * columns), second = ref Unsafe.Add(ref first, columns),
                third = ref Unsafe.Add(ref second, columns), fourth = ref Unsafe.Add(ref third, columns);
            Vector128<int> a = Vector128<int>.Zero, b = a, c = a, d = a;
            for (nuint i = 0; i < (nuint)whole; i += Lanes)
            {
                Vector128<sbyte> values = Vector128.LoadUnsafe(ref input, i);
                a = Add(a, values, Vector128.LoadUnsafe(ref first, i));
                b = Add(b, values, Vector128.LoadUnsafe(ref second, i));
                c = Add(c, values, Vector128.LoadUnsafe(ref third, i));
                d = Add(d, values, Vector128.LoadUnsafe(ref fourth, i));
            }
            sums[r] += Vector128.Sum(a);
            sums[r + 1] += Vector128.Sum(b);
            sums[r + 2] += Vector128.Sum(c);
            sums[r + 3] += Vector128.Sum(d);
        }
        for (; r < sums.Length; r++)
        {
            Vector128<int> sum = Vector128<int>.Zero;
            for (int i = 0; i < whole; i += Lanes)
                sum = Add(sum, Vector128.LoadUnsafe(ref input, (nuint)i), Vector128.LoadUnsafe(ref matrix, (nuint)(r * columns + i)));
            sums[r] += Vector128.Sum(sum);
        }
        if (whole == columns) return;
        for (r = 0; r < sums.Length; r++)
        {
            for (int c = whole; c < columns; c++) sums[r] += x[c] * weights[r * columns + c];
        }
    }

    /// <summary>sums[c] += sum over t of weights[t, c] x[t, c].</summary>
    public static void AddColumns(ReadOnlySpan<sbyte> weights, ReadOnlySpan<sbyte> x, Span<int> sums)
    {
        int channels = sums.Length, c = 0;
        ArgumentOutOfRangeException.ThrowIfLessThan(x.Length, weights.Length);
        ref sbyte input = ref MemoryMarshal.GetReference(x), matrix = ref MemoryMarshal.GetReference(weights);
        ref int results = ref MemoryMarshal.GetReference(sums);
        for (; c <= channels - Lanes; c += Lanes)
        {
            ref int first = ref Unsafe.Add(ref results, c);
            Vector128<int> s0 = Vector128.LoadUnsafe(ref first), s1 = Vector128.LoadUnsafe(ref first, 4),
                s2 = Vector128.LoadUnsafe(ref first, 8), s3 = Vector128.LoadUnsafe(ref first, 12);
            for (int at = c; at < weights.Length; at += channels)
            {
                Vector128<sbyte> a = Vector128.LoadUnsafe(ref input, (nuint)at), b = Vector128.LoadUnsafe(ref matrix, (nuint)at);
                // A product of two bytes fits 16 bits: at most 16384.
                Vector128<short> low = Vector128.WidenLower(a) * Vector128.WidenLower(b),
                    high = Vector128.WidenUpper(a) * Vector128.WidenUpper(b);
                s0 += Vector128.WidenLower(low);
                s1 += Vector128.WidenUpper(low);
                s2 += Vector128.WidenLower(high);
                s3 += Vector128.WidenUpper(high);
            }
            s0.StoreUnsafe(ref first);
            s1.StoreUnsafe(ref first, 4);
            s2.StoreUnsafe(ref first, 8);
            s3.StoreUnsafe(ref first, 12);
        }
        for (; c < channels; c++)
        {
            for (int at = c; at < weights.Length; at += channels) sums[c] += x[at] * weights[at];
        }
    }

    /// <summary>Adds 16 products to four sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Add(Vector128<int> sums, Vector128<sbyte> x, Vector128<sbyte> w)
    {
        if (AdvSimd.IsSupported)
        {
            sums = AdvSimd.AddPairwiseWideningAndAdd(sums, AdvSimd.MultiplyWideningLower(x.GetLower(), w.GetLower()));
            return AdvSimd.AddPairwiseWideningAndAdd(sums, AdvSimd.MultiplyWideningUpper(x, w));
        }
        Vector128<short> xLow = Vector128.WidenLower(x), xHigh = Vector128.WidenUpper(x), wLow = Vector128.WidenLower(w),
            wHigh = Vector128.WidenUpper(w);
        if (Sse2.IsSupported) return sums + Sse2.MultiplyAddAdjacent(xLow, wLow) + Sse2.MultiplyAddAdjacent(xHigh, wHigh);
        Vector128<short> low = xLow * wLow, high = xHigh * wHigh; // of two bytes each: at most 16384
        return sums + (Vector128.WidenLower(low) + Vector128.WidenUpper(low)) + (Vector128.WidenLower(high) + Vector128.WidenUpper(high));
    }
}
