namespace EdgeLlm.Models.Spec;

/// <summary>
/// A model as data: sizes, and a spec of each layer. Made by a family from the keys of a file; everything that walks over a model (running, planning, quantizing)
/// walks over the steps that <see cref="Layers.LayerBuilder"/> makes of it.
/// </summary>
internal sealed record ModelSpec
{
    /// <summary>GGUF's name of the architecture, such as `llama`.</summary>
    public required string Architecture { get; init; }

    /// <summary>Positions that the model was trained on.</summary>
    public required int ContextLength { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int Width { get; init; }

    /// <summary>Rows of the embedding.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>One per layer.</summary>
    public required IReadOnlyList<LayerSpec> Layers { get; init; }

    /// <summary>The norm before the head.</summary>
    public required NormSpec OutputNorm { get; init; }

    /// <summary>Whether the embedding is the head too.</summary>
    public required bool IsTied { get; init; }
}

/// <summary>One layer: what is added to the residual stream by attention, then by the feed-forward part.</summary>
internal sealed record LayerSpec
{
    /// <summary>The norm of attention's input.</summary>
    public required NormSpec AttentionNorm { get; init; }

    public required AttentionSpec Attention { get; init; }

    /// <summary>The norm of the feed-forward part's input; null: both parts take attention's, and run beside each other.</summary>
    public required NormSpec? FeedForwardNorm { get; init; }

    public required FeedForwardSpec FeedForward { get; init; }
}

/// <summary>y = x / sqrt(mean(x x) + epsilon) * weight + bias, with or without the bias.</summary>
internal sealed record NormSpec(float Epsilon)
{
    /// <summary>A layer norm: first the mean is taken off.</summary>
    public bool IsCentered { get; init; }

    public bool HasBias { get; init; }
}

/// <summary>y = Down (silu(Gate x) * Up x).</summary>
internal sealed record FeedForwardSpec
{
    /// <summary>Rows of gate and up.</summary>
    public required int Width { get; init; }

    public bool HasGateBias { get; init; }

    public bool HasUpBias { get; init; }

    public bool HasDownBias { get; init; }
}
