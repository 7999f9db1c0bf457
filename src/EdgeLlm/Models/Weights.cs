using EdgeLlm.Kernels;

namespace EdgeLlm.Models;

/// <summary>A model's tensors, as they lie in the map. Immutable; shared by every cache and thread.</summary>
internal sealed unsafe class Weights
{
    /// <summary>[vocabulary, embedding]</summary>
    public required WeightMatrix TokenEmbedding { get; init; }

    /// <summary>[embedding]</summary>
    public required float* OutputNorm { get; init; }

    /// <summary>[vocabulary, embedding]; the embedding again where the file has no head of its own.</summary>
    public required WeightMatrix Output { get; init; }

    /// <summary>One per layer.</summary>
    public required LayerWeights[] Layers { get; init; }

    /// <summary>[pairs], or empty.</summary>
    public required float[] RopeDivisors { get; init; }
}
