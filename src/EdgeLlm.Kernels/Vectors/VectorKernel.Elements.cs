using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Kernels.Vectors;

/// <summary>Functions of each number of a row.</summary>
internal abstract unsafe partial class VectorKernel
{
    public override void Activate(Activation activation, float* x, float* factors, int count)
    {
        switch (activation)
        {
            case Activation.Silu: Apply<SiluFunction>(activation, x, factors, count); break;
            case Activation.Gelu: Apply<GeluFunction>(activation, x, factors, count); break;
            case Activation.GeluTanh: Apply<GeluTanhFunction>(activation, x, factors, count); break;
            case Activation.GeluQuick: Apply<GeluQuickFunction>(activation, x, factors, count); break;
            case Activation.Relu: Apply<ReluFunction>(activation, x, factors, count); break;
            case Activation.ReluSquared: Apply<ReluSquaredFunction>(activation, x, factors, count); break;
            case Activation.Logistic: Apply<LogisticFunction>(activation, x, factors, count); break;
            default: Apply<IdentityFunction>(activation, x, factors, count); break;
        }
    }

    public override void ActivateClamped(float* x, float* y, float factor, float limit, int count)
    {
        Vector<float> most = new(limit), least = new(-limit), factors = new(factor);
        int j = 0;
        for (; j <= count - Width; j += Width)
        {
            Vector<float> gate = Vector.Load(x + j), up = Vector.Load(y + j);
            gate = Vector.ConditionalSelect(Vector.GreaterThan(gate, most), most, gate);
            up = Vector.ConditionalSelect(Vector.GreaterThan(up, most), most, up);
            up = Vector.ConditionalSelect(Vector.LessThan(up, least), least, up);
            ((up + Vector<float>.One) * (gate / (Vector<float>.One + Exp(-(gate * factors))))).Store(x + j);
        }
        base.ActivateClamped(x + j, y + j, factor, limit, count - j);
    }

    public override void Cap(float* x, float cap, int count)
    {
        var caps = new Vector<float>(cap);
        int j = 0;
        for (; j <= count - Width; j += Width) (VectorActivations.Tanh(Vector.Load(x + j) / caps) * caps).Store(x + j);
        for (; j < count; j++) x[j] = ActivationFunctions.Tanh(x[j] / cap) * cap;
    }

    public override void Clamp(float* x, float limit, int count)
    {
        Vector<float> most = new(limit), least = new(-limit);
        int j = 0;
        for (; j <= count - Width; j += Width)
        {
            Vector<float> values = Vector.Load(x + j);
            values = Vector.ConditionalSelect(Vector.GreaterThan(values, most), most, values);
            Vector.ConditionalSelect(Vector.LessThan(values, least), least, values).Store(x + j);
        }
        base.Clamp(x + j, limit, count - j);
    }

    public override void Multiply(float* x, float factor, int count) => Scale(x, factor, count);

    private static void Apply<T>(Activation activation, float* x, float* factors, int count)
        where T : struct, IActivationFunction
    {
        int j = 0;
        if (factors == null)
        {
            for (; j <= count - Width; j += Width) T.Of(Vector.Load(x + j)).Store(x + j);
            for (; j < count; j++) x[j] = ActivationFunctions.Of(activation, x[j]);
            return;
        }
        for (; j <= count - Width; j += Width) (T.Of(Vector.Load(x + j)) * Vector.Load(factors + j)).Store(x + j);
        for (; j < count; j++) x[j] = ActivationFunctions.Of(activation, x[j]) * factors[j];
    }

    /// <remarks>
    /// The sums of a row are doubles in order, one addition after the other; rows have nothing to do with each other, so that four of
    /// them are summed side by side.
    /// </remarks>
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
