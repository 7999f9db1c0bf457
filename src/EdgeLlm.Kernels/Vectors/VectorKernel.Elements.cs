using System.Numerics;
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
}
