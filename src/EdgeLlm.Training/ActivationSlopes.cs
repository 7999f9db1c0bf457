using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Training;

/// <summary>Derivatives of the functions of <see cref="Activation"/>, of the same polynomials.</summary>
internal static class ActivationSlopes
{
    private const float RootHalfOverPi = 0.39894228f; // 1 / sqrt(2 pi)

    public static float Of(Activation activation, float x) => activation switch
    {
        Activation.Silu => Swish(x, 1),
        Activation.GeluQuick => Swish(x, ActivationFunctions.QuickFactor),
        Activation.Gelu => 0.5f * (1 + ActivationFunctions.Erf(x * ActivationFunctions.RootHalf))
            + x * RootHalfOverPi * Polynomials.Exp(-0.5f * x * x),
        Activation.GeluTanh => GeluTanh(x),
        Activation.Relu => x > 0 ? 1 : 0,
        Activation.ReluSquared => x > 0 ? 2 * x : 0,
        Activation.Logistic => Logistic(x) * (1 - Logistic(x)),
        _ => 1,
    };

    /// <summary>Of x / (1 + exp(-f x)).</summary>
    private static float Swish(float x, float factor)
    {
        float sigmoid = Logistic(factor * x);
        return sigmoid * (1 + factor * x * (1 - sigmoid));
    }

    private static float GeluTanh(float x)
    {
        float tanh =
            ActivationFunctions.Tanh(x * MathF.FusedMultiplyAdd(ActivationFunctions.GeluCubic, x * x, ActivationFunctions.RootTwoOverPi));
        return 0.5f * (1 + tanh) + 0.5f * x * (1 - tanh * tanh)
            * MathF.FusedMultiplyAdd(3 * ActivationFunctions.GeluCubic, x * x, ActivationFunctions.RootTwoOverPi);
    }

    private static float Logistic(float x) => 1 / (1 + Polynomials.Exp(-x));
}
