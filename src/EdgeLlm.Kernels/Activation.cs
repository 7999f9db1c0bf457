namespace EdgeLlm.Kernels;

/// <summary>The function between the two products of a feed-forward part.</summary>
internal enum Activation
{
    /// <summary>x / (1 + exp(-x)), also called swish.</summary>
    Silu,

    /// <summary>x (1 + erf(x / sqrt 2)) / 2.</summary>
    Gelu,

    /// <summary>
    /// GELU's approximation x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2; config.json's gelu_new, gelu_fast and gelu_pytorch_tanh.
    /// </summary>
    GeluTanh,

    /// <summary>GELU's approximation x / (1 + exp(-1.702 x)).</summary>
    GeluQuick,

    /// <summary>max(x, 0).</summary>
    Relu,

    /// <summary>max(x, 0)^2.</summary>
    ReluSquared,

    /// <summary>1 / (1 + exp(-x)).</summary>
    Logistic,

    /// <summary>x.</summary>
    Identity,
}
