using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Vectors;

/// <summary>
/// Layer norm of several rows. The sums of a row are doubles in order, one addition after the other; rows have nothing to do with each
/// other, so that four of them are summed side by side.
/// </summary>
internal abstract unsafe partial class VectorKernel
{
    public override bool LayerNormRows(float* x, float* weight, float* bias, float* y, int count, int rows, float epsilon)
    {
        bool isFinite = true;
        int row = 0;
        if (count % 4 == 0)
        {
            for (; row <= rows - 4; row += 4, x += 4 * (nint)count, y += 4 * (nint)count)
                isFinite &= NormalizeFour(x, weight, bias, y, count, epsilon);
        }
        for (; row < rows; row++, x += count, y += count) isFinite &= LayerNorm(x, weight, bias, y, count, epsilon);
        return isFinite;
    }

    private static bool NormalizeFour(float* x, float* weight, float* bias, float* y, nint count, float epsilon)
    {
        float* x1 = x + count, x2 = x1 + count, x3 = x2 + count;
        Vector128<double> first = Vector128<double>.Zero, second = first, firstSquares = first, secondSquares = first;
        for (nint i = 0; i < count; i += 4)
        {
            Add(Vector128.Load(x + i), Vector128.Load(x1 + i), ref first);
            Add(Vector128.Load(x2 + i), Vector128.Load(x3 + i), ref second);
        }
        Vector128<double> counts = Vector128.Create((double)count), firstMeans = first / counts, secondMeans = second / counts;
        for (nint i = 0; i < count; i += 4)
        {
            AddSquares(Vector128.Load(x + i), Vector128.Load(x1 + i), firstMeans, ref firstSquares);
            AddSquares(Vector128.Load(x2 + i), Vector128.Load(x3 + i), secondMeans, ref secondSquares);
        }
        Vector128<double> epsilons = Vector128.Create((double)epsilon);
        Vector128<double> firstInverses = Vector128<double>.One / Vector128.Sqrt(firstSquares / counts + epsilons);
        Vector128<double> secondInverses = Vector128<double>.One / Vector128.Sqrt(secondSquares / counts + epsilons);
        Normalize(x, firstMeans[0], firstInverses[0], weight, bias, y, (int)count);
        Normalize(x1, firstMeans[1], firstInverses[1], weight, bias, y + count, (int)count);
        Normalize(x2, secondMeans[0], secondInverses[0], weight, bias, y + 2 * count, (int)count);
        Normalize(x3, secondMeans[1], secondInverses[1], weight, bias, y + 3 * count, (int)count);
        Vector128<double> check = (firstSquares + secondSquares) * 0.0; // infinite times 0 is not a number
        return check == Vector128<double>.Zero;
    }

    /// <summary>Adds four numbers of two rows, a lane each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(Vector128<float> a, Vector128<float> b, ref Vector128<double> sums)
    {
        Vector128<float> low = Interleave.Lower(a, b), high = Interleave.Upper(a, b);
        sums += Vector128.WidenLower(low);
        sums += Vector128.WidenUpper(low);
        sums += Vector128.WidenLower(high);
        sums += Vector128.WidenUpper(high);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddSquares(Vector128<float> a, Vector128<float> b, Vector128<double> means, ref Vector128<double> sums)
    {
        Vector128<float> low = Interleave.Lower(a, b), high = Interleave.Upper(a, b);
        Vector128<double> d0 = Vector128.WidenLower(low) - means, d1 = Vector128.WidenUpper(low) - means,
            d2 = Vector128.WidenLower(high) - means, d3 = Vector128.WidenUpper(high) - means;
        sums += d0 * d0;
        sums += d1 * d1;
        sums += d2 * d2;
        sums += d3 * d3;
    }

    /// <summary>y = (x - mean) * inverse * weight + bias, which may be null.</summary>
    private static void Normalize(float* x, double mean, double inverse, float* weight, float* bias, float* y, int count)
    {
        Vector<double> means = new(mean), inverses = new(inverse);
        int i = 0;
        for (; i <= count - Width; i += Width)
        {
            Vector.Widen(Vector.Load(x + i), out Vector<double> low, out Vector<double> high);
            Vector<float> normal = Vector.Narrow((low - means) * inverses, (high - means) * inverses);
            Vector.FusedMultiplyAdd(normal, Vector.Load(weight + i), bias == null ? Vector<float>.Zero : Vector.Load(bias + i))
                .Store(y + i);
        }
        for (; i < count; i++) y[i] = MathF.FusedMultiplyAdd((float)((x[i] - mean) * inverse), weight[i], bias == null ? 0 : bias[i]);
    }
}
