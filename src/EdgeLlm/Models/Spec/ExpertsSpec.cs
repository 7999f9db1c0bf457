namespace EdgeLlm.Models.Spec;

/// <summary>How a router's results become scores.</summary>
internal enum RouterScore
{
    /// <summary>softmax over all experts. (softmax over the chosen ones is this one, normalized.)</summary>
    Softmax,

    /// <summary>The logistic function of each.</summary>
    Sigmoid,
}

/// <summary>
/// A mixture of experts in a feed-forward part's place: for each token the <see cref="Used"/> of <see cref="Count"/> experts with the
/// highest scores, weighted by them; the first of equal scores is taken. Stacks of matrices are [Count, rows, columns].
/// </summary>
internal sealed record ExpertsSpec
{
    public required int Count { get; init; }

    public required int Used { get; init; }

    /// <summary>Rows of an expert's gate and up.</summary>
    public required int Width { get; init; }

    public RouterScore Score { get; init; }

    /// <summary>Whether the router has a bias.</summary>
    public bool HasRouterBias { get; init; }

    /// <summary>Whether experts are chosen by their scores plus a number each, which their weights do not have.</summary>
    public bool HasChoiceBias { get; init; }

    /// <summary>Whether the chosen experts' weights are divided by their sum.</summary>
    public bool IsNormalized { get; init; }

    /// <summary>Factor of the weights.</summary>
    public float Scale { get; init; } = 1f;

    /// <summary>Whether experts' matrices have biases.</summary>
    public bool HasBiases { get; init; }

    /// <summary>
    /// Limit of the clamped SwiGLU of gpt-oss, (up + 1) gate / (1 + exp(-1.702 gate)) with gate up to it and up within it; 0: silu(gate)
    /// up.
    /// </summary>
    public float ClampLimit { get; init; }

    /// <summary>Factor in the exponent of the clamped SwiGLU.</summary>
    public float ClampFactor { get; init; } = 1.702f;

    /// <summary>Rows of the gate and up of an expert that every token goes through; 0: there is none.</summary>
    public int SharedWidth { get; init; }

    /// <summary>Whether the shared expert's result is multiplied by the logistic function of a product of its own.</summary>
    public bool HasSharedGate { get; init; }
}
