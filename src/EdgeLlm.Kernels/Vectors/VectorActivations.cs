using System.Numerics;
using System.Runtime.CompilerServices;
using static EdgeLlm.Kernels.Scalar.ActivationFunctions;

namespace EdgeLlm.Kernels.Vectors;

/// <summary>A function of numbers, lane by lane: the loop over a row is made for each, so that nothing is chosen inside it.</summary>
internal interface IActivationFunction
{
    static abstract Vector<float> Of(Vector<float> x);
}

internal readonly struct GeluFunction : IActivationFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // its constants stay in registers
    public static Vector<float> Of(Vector<float> x) =>
        new Vector<float>(0.5f) * x * (Vector<float>.One + VectorActivations.Erf(x * new Vector<float>(RootHalf)));
}

internal readonly struct GeluTanhFunction : IActivationFunction
{
    public static Vector<float> Of(Vector<float> x)
    {
        Vector<float> inner = x * Vector.FusedMultiplyAdd(new Vector<float>(GeluCubic), x * x, new Vector<float>(RootTwoOverPi));
        return new Vector<float>(0.5f) * x * (Vector<float>.One + VectorActivations.Tanh(inner));
    }
}

internal readonly struct GeluQuickFunction : IActivationFunction
{
    public static Vector<float> Of(Vector<float> x) => x / (Vector<float>.One + VectorKernel.Exp(-(x * new Vector<float>(QuickFactor))));
}

internal readonly struct SiluFunction : IActivationFunction
{
    public static Vector<float> Of(Vector<float> x) => x / (Vector<float>.One + VectorKernel.Exp(-x));
}

internal readonly struct ReluFunction : IActivationFunction
{
    public static Vector<float> Of(Vector<float> x) =>
        Vector.ConditionalSelect(Vector.LessThan(x, Vector<float>.Zero), Vector<float>.Zero, x);
}

internal readonly struct ReluSquaredFunction : IActivationFunction
{
    public static Vector<float> Of(Vector<float> x) =>
        Vector.ConditionalSelect(Vector.LessThan(x, Vector<float>.Zero), Vector<float>.Zero, x * x);
}

internal readonly struct LogisticFunction : IActivationFunction
{
    public static Vector<float> Of(Vector<float> x) => Vector<float>.One / (Vector<float>.One + VectorKernel.Exp(-x));
}

internal readonly struct IdentityFunction : IActivationFunction
{
    public static Vector<float> Of(Vector<float> x) => x;
}

/// <summary>Functions that activations consist of, lane by lane with the bits of <see cref="Scalar.ActivationFunctions"/>.</summary>
internal static class VectorActivations
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Tanh(Vector<float> x)
    {
        Vector<float> magnitude = Vector.Abs(x), z = x * x;
        Vector<float> p = Vector.FusedMultiplyAdd(new Vector<float>(Tanh4), z, new Vector<float>(Tanh3));
        p = Vector.FusedMultiplyAdd(p, z, new Vector<float>(Tanh2));
        p = Vector.FusedMultiplyAdd(p, z, new Vector<float>(Tanh1));
        p = Vector.FusedMultiplyAdd(p, z, new Vector<float>(Tanh0));
        Vector<float> near = Vector.FusedMultiplyAdd(p * z, x, x);
        Vector<float> far = Vector<float>.One - new Vector<float>(2f) / (VectorKernel.Exp(magnitude + magnitude) + Vector<float>.One);
        return Vector.ConditionalSelect(Vector.LessThan(magnitude, new Vector<float>(TanhLimit)), near, WithSign(far, x));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Erf(Vector<float> x)
    {
        Vector<float> magnitude = Vector.Abs(x), z = x * x;
        Vector<float> p = Vector.FusedMultiplyAdd(new Vector<float>(Erf6), z, new Vector<float>(Erf5));
        p = Vector.FusedMultiplyAdd(p, z, new Vector<float>(Erf4));
        p = Vector.FusedMultiplyAdd(p, z, new Vector<float>(Erf3));
        p = Vector.FusedMultiplyAdd(p, z, new Vector<float>(Erf2));
        p = Vector.FusedMultiplyAdd(p, z, new Vector<float>(Erf1));
        p = Vector.FusedMultiplyAdd(p, z, new Vector<float>(Erf0));
        Vector<float> near = Vector.FusedMultiplyAdd(p, x, x);

        // No lane takes the other branch, as is usual for four; of eight one often does, and a jump that can't be foreseen costs more.
        if (Vector<float>.Count <= 4 && Vector.LessThanAll(magnitude, Vector<float>.One)) return near;

        var maximum = new Vector<float>(ErfMaximum);
        Vector<float> t = Vector.ConditionalSelect(Vector.GreaterThan(magnitude, maximum), maximum, magnitude);
        Vector<float> q = Vector.FusedMultiplyAdd(new Vector<float>(ErfTail7), t, new Vector<float>(ErfTail6));
        q = Vector.FusedMultiplyAdd(q, t, new Vector<float>(ErfTail5));
        q = Vector.FusedMultiplyAdd(q, t, new Vector<float>(ErfTail4));
        q = Vector.FusedMultiplyAdd(q, t, new Vector<float>(ErfTail3));
        q = Vector.FusedMultiplyAdd(q, t, new Vector<float>(ErfTail2));
        q = Vector.FusedMultiplyAdd(q, t, new Vector<float>(ErfTail1));
        q = Vector.FusedMultiplyAdd(q, t, new Vector<float>(ErfTail0));
        Vector<float> far = Vector<float>.One - VectorKernel.Exp(-q);
        return Vector.ConditionalSelect(Vector.LessThan(magnitude, Vector<float>.One), near, WithSign(far, x));
    }

    private static Vector<float> WithSign(Vector<float> magnitude, Vector<float> sign) =>
        Vector.ConditionalSelect(new Vector<int>(int.MinValue), sign, magnitude);
}
