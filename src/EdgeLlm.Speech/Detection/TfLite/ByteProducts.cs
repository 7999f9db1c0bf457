using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Speech.Detection.TfLite;

/// <summary>Sums of products of 8-bit integers: exact, so the same on every machine in any order.</summary>
internal static class ByteProducts
{
    /// <summary>Sum of x[i] w[i] in 32 bits.</summary>
    public static int Dot(ReadOnlySpan<sbyte> x, ReadOnlySpan<sbyte> w)
    {
        ref sbyte a = ref MemoryMarshal.GetReference(x), b = ref MemoryMarshal.GetReference(w);
        nuint i = 0, whole = (nuint)x.Length & ~15u;
        ArgumentOutOfRangeException.ThrowIfLessThan(w.Length, x.Length);
        Vector128<int> low = Vector128<int>.Zero, high = low;
        for (; i < whole; i += 16)
        {
            Vector128<sbyte> p = Vector128.LoadUnsafe(ref a, i), q = Vector128.LoadUnsafe(ref b, i);
            Vector128<short> first = Vector128.WidenLower(p) * Vector128.WidenLower(q),
                second = Vector128.WidenUpper(p) * Vector128.WidenUpper(q);
            // A product of two bytes fits 16 bits (at most 16384), a sum of two does not.
            low += Vector128.WidenLower(first) + Vector128.WidenLower(second);
            high += Vector128.WidenUpper(first) + Vector128.WidenUpper(second);
        }
        int sum = Vector128.Sum(low + high);
        for (; i < (nuint)x.Length; i++) sum += x[(int)i] * w[(int)i];
        return sum;
    }
}
