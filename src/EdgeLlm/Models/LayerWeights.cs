using EdgeLlm.Kernels;

namespace EdgeLlm.Models;

/// <summary>The tensors of one layer. Biases [rows] are null where the file has none.</summary>
internal sealed unsafe class LayerWeights
{
    /// <summary>[embedding]</summary>
    public required float* AttentionNorm { get; init; }

    /// <summary>[heads * dimension, embedding]</summary>
    public required Linear Query { get; init; }

    /// <summary>[kvHeads * dimension, embedding]</summary>
    public required Linear Key { get; init; }

    /// <summary>[kvHeads * dimension, embedding]</summary>
    public required Linear Value { get; init; }

    /// <summary>[embedding, heads * dimension]</summary>
    public required Linear AttentionOutput { get; init; }

    /// <summary>[embedding]</summary>
    public required float* FeedForwardNorm { get; init; }

    /// <summary>[feedForward, embedding]</summary>
    public required Linear Gate { get; init; }

    /// <summary>[feedForward, embedding]</summary>
    public required Linear Up { get; init; }

    /// <summary>[embedding, feedForward]</summary>
    public required Linear Down { get; init; }
}

/// <summary>y = Weight x + Bias; Bias [rows] may be null.</summary>
internal readonly unsafe struct Linear(WeightMatrix weight, float* bias)
{
    public WeightMatrix Weight { get; } = weight;

    public float* Bias { get; } = bias;
}
