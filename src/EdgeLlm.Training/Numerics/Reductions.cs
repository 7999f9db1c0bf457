using System.Runtime.Intrinsics;

namespace EdgeLlm.Training.Numerics;

/// <summary>
/// Sums whose order depends on the length alone, so that every run gives the same bits. (TensorPrimitives adds in an order that depends on
/// where in memory an array happens to be.)
/// </summary>
internal static class Reductions
{
    public static float Sum(ReadOnlySpan<float> x)
    {
        Vector256<float> low = default, high = default;
        int i = 0;
        for (; i + 16 <= x.Length; i += 16)
        {
            low += Vector256.Create(x[i..]);
            high += Vector256.Create(x[(i + 8)..]);
        }
        float sum = Vector256.Sum(low + high);
        for (; i < x.Length; i++) sum += x[i];
        return sum;
    }

    public static float Dot(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        Vector256<float> low = default, high = default;
        int i = 0;
        for (; i + 16 <= x.Length; i += 16)
        {
            low = Vector256.FusedMultiplyAdd(Vector256.Create(x[i..]), Vector256.Create(y[i..]), low);
            high = Vector256.FusedMultiplyAdd(Vector256.Create(x[(i + 8)..]), Vector256.Create(y[(i + 8)..]), high);
        }
        float sum = Vector256.Sum(low + high);
        for (; i < x.Length; i++) sum += x[i] * y[i];
        return sum;
    }

    public static float SumOfSquares(ReadOnlySpan<float> x) => Dot(x, x);
}
