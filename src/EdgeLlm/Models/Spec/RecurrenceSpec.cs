using EdgeLlm.Kernels;

namespace EdgeLlm.Models.Spec;

/// <summary>Operation in place of attention in a layer, which carries a state from token to token.</summary>
internal abstract record RecurrenceSpec;

/// <summary>
/// A gated short convolution (LFM2): of the parts B, C, x of one product, C * convolution(B * x), through a matrix.
/// </summary>
/// <param name="Width">Channels.</param>
/// <param name="Taps">Tokens that a result is made of.</param>
internal sealed record ShortConvolutionSpec(int Width, int Taps) : RecurrenceSpec
{
    /// <summary>Whether the convolution and both matrices have biases.</summary>
    public bool HasBias { get; init; }
}

/// <summary>
/// Gated delta rule (arXiv 2412.06464): a state S [keys, values] a head; S = exp(g) S; S += k (beta (v - S'k))'; out = S'q; queries, keys
/// and values come through a convolution, heads' results through a norm, and are gated. Value head h uses key head h mod KeyHeads, as
/// llama.cpp orders them.
/// </summary>
internal sealed record GatedDeltaSpec : RecurrenceSpec
{
    public required int KeyHeads { get; init; }

    public required int ValueHeads { get; init; }

    public required int KeyDimension { get; init; }

    public required int ValueDimension { get; init; }

    /// <summary>Tokens that a convolution's result is made of.</summary>
    public required int Taps { get; init; }

    /// <summary>The norm of a head's results.</summary>
    public required NormSpec Norm { get; init; }

    /// <summary>The function of the convolution's results.</summary>
    public Activation Activation { get; init; }

    /// <summary>Width of all keys (or queries) together.</summary>
    public int KeyWidth => checked(KeyHeads * KeyDimension);

    /// <summary>Width of all values together.</summary>
    public int ValueWidth => checked(ValueHeads * ValueDimension);

    /// <summary>Channels of the convolution: queries, keys, values.</summary>
    public int Channels => checked(2 * KeyWidth + ValueWidth);

    /// <summary>Numbers of the heads' states.</summary>
    public int StateNumbers => checked(ValueHeads * KeyDimension * ValueDimension);
}

/// <summary>
/// Mamba 2 (arXiv 2405.21060): a state h [StateSize, HeadDimension] a head; h = exp(dt A) h + B (dt x)'; out = h'C + D x; x, B and C come
/// through a convolution, the result is gated, then normed in groups.
/// </summary>
internal sealed record SelectiveScanSpec : RecurrenceSpec
{
    public required int Heads { get; init; }

    public required int HeadDimension { get; init; }

    public required int StateSize { get; init; }

    /// <summary>Groups of heads that share B and C.</summary>
    public required int Groups { get; init; }

    /// <summary>Tokens that a convolution's result is made of.</summary>
    public required int Taps { get; init; }

    /// <summary>The norm of a group's gated results.</summary>
    public required NormSpec Norm { get; init; }

    public bool HasConvolutionBias { get; init; }

    /// <summary>The function of the convolution's results.</summary>
    public Activation Activation { get; init; }

    /// <summary>Width of x.</summary>
    public int Width => checked(Heads * HeadDimension);

    /// <summary>Channels of the convolution: x, B, C.</summary>
    public int Channels => checked(Width + 2 * Groups * StateSize);

    /// <summary>Rows of the first matrix: the gate, the channels, and a step's width for each head.</summary>
    public int InputRows => checked(Width + Channels + Heads);

    /// <summary>Numbers of the heads' states.</summary>
    public int StateNumbers => checked(Heads * HeadDimension * StateSize);
}
