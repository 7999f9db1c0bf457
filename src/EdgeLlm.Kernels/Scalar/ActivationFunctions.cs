namespace EdgeLlm.Kernels.Scalar;

/// <summary>
/// The functions of <see cref="Activation"/>, and what they are made of: our own polynomials, for the same bits everywhere.
/// </summary>
internal static class ActivationFunctions
{
    // tanh(x) = x + x z P(z), z = x x, for |x| < 0.625; a least-squares fit, relative error 2e-8.
    public const float TanhLimit = 0.625f;
    public const float Tanh0 = -0.3333332861f;
    public const float Tanh1 = 0.1333273279f;
    public const float Tanh2 = -0.05384498896f;
    public const float Tanh3 = 0.02096818693f;
    public const float Tanh4 = -0.00605369734f;

    // erf(x) = x + x P(z) for |x| < 1, relative error 2e-9; 1 - exp(-Q(|x|)) up to 4, error 1e-8, and 1 from there. Least-squares fits.
    public const float ErfMaximum = 4f;
    public const float Erf0 = 0.1283791659f;
    public const float Erf1 = -0.376126269f;
    public const float Erf2 = 0.1128359746f;
    public const float Erf3 = -0.0268543288f;
    public const float Erf4 = 0.005189311941f;
    public const float Erf5 = -0.0008018854981f;
    public const float Erf6 = 7.882497075e-5f;
    public const float ErfTail0 = 0.0002739601952f;
    public const float ErfTail1 = 1.127690907f;
    public const float ErfTail2 = 0.6364357059f;
    public const float ErfTail3 = 0.1054571816f;
    public const float ErfTail4 = -0.02361579333f;
    public const float ErfTail5 = 0.003704163388f;
    public const float ErfTail6 = -0.0003561732772f;
    public const float ErfTail7 = 1.562366807e-5f;

    public const float RootHalf = 0.70710678f;
    public const float RootTwoOverPi = 0.79788456f;
    public const float GeluCubic = 0.035677408f; // sqrt(2 / pi) * 0.044715
    public const float QuickFactor = 1.702f;

    public static float Of(Activation activation, float x) => activation switch
    {
        Activation.Silu => Polynomials.Silu(x),
        Activation.Gelu => 0.5f * x * (1f + Erf(x * RootHalf)),
        Activation.GeluTanh => 0.5f * x * (1f + Tanh(x * MathF.FusedMultiplyAdd(GeluCubic, x * x, RootTwoOverPi))),
        Activation.GeluQuick => x / (1f + Polynomials.Exp(-(x * QuickFactor))),
        Activation.Relu => x < 0 ? 0 : x,
        Activation.ReluSquared => x < 0 ? 0 : x * x,
        Activation.Logistic => 1f / (1f + Polynomials.Exp(-x)),
        _ => x,
    };

    /// <summary>The hyperbolic tangent, to about 2 ulp.</summary>
    public static float Tanh(float x)
    {
        float magnitude = MathF.Abs(x);
        if (magnitude < TanhLimit)
        {
            float z = x * x;
            float p = MathF.FusedMultiplyAdd(Tanh4, z, Tanh3);
            p = MathF.FusedMultiplyAdd(p, z, Tanh2);
            p = MathF.FusedMultiplyAdd(p, z, Tanh1);
            p = MathF.FusedMultiplyAdd(p, z, Tanh0);
            return MathF.FusedMultiplyAdd(p * z, x, x);
        }
        return MathF.CopySign(1f - 2f / (Polynomials.Exp(magnitude + magnitude) + 1f), x);
    }

    /// <summary>The error function, to about 2 ulp.</summary>
    public static float Erf(float x)
    {
        float magnitude = MathF.Abs(x);
        if (magnitude < 1f)
        {
            float z = x * x;
            float p = MathF.FusedMultiplyAdd(Erf6, z, Erf5);
            p = MathF.FusedMultiplyAdd(p, z, Erf4);
            p = MathF.FusedMultiplyAdd(p, z, Erf3);
            p = MathF.FusedMultiplyAdd(p, z, Erf2);
            p = MathF.FusedMultiplyAdd(p, z, Erf1);
            p = MathF.FusedMultiplyAdd(p, z, Erf0);
            return MathF.FusedMultiplyAdd(p, x, x);
        }
        float t = magnitude > ErfMaximum ? ErfMaximum : magnitude;
        float q = MathF.FusedMultiplyAdd(ErfTail7, t, ErfTail6);
        q = MathF.FusedMultiplyAdd(q, t, ErfTail5);
        q = MathF.FusedMultiplyAdd(q, t, ErfTail4);
        q = MathF.FusedMultiplyAdd(q, t, ErfTail3);
        q = MathF.FusedMultiplyAdd(q, t, ErfTail2);
        q = MathF.FusedMultiplyAdd(q, t, ErfTail1);
        q = MathF.FusedMultiplyAdd(q, t, ErfTail0);
        return MathF.CopySign(1f - Polynomials.Exp(-q), x);
    }
}
