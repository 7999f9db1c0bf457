using EdgeLlm.Kernels;

namespace EdgeLlm.Models.Spec;

/// <summary>
/// A model as data: sizes, and a spec of each layer. Made by a family from the keys of a file; everything that walks over a model (running,
/// planning, quantizing) walks over the steps that <see cref="Layers.LayerBuilder"/> makes from it.
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

    /// <summary>Factor of the embedding's rows.</summary>
    public float EmbeddingScale { get; init; } = 1f;

    /// <summary>The norm of the embedded tokens; null: none.</summary>
    public NormSpec? EmbeddingNorm { get; init; }

    /// <summary>Learned positions, which are added to the embedded tokens; null: none.</summary>
    public LearnedPositions? Positions { get; init; }

    /// <summary>One per layer.</summary>
    public required IReadOnlyList<LayerSpec> Layers { get; init; }

    /// <summary>The norm before the head; null: none (an encoder whose layers end with one).</summary>
    public required NormSpec? OutputNorm { get; init; }

    /// <summary>
    /// Makes a hidden state of each token, and no logits of a next one: attention goes to both directions, and a text is computed in one
    /// pass.
    /// </summary>
    public bool IsEncoder { get; init; }

    /// <summary>Rows of the table of token types, one of which is added to each embedded token; 0: there is none.</summary>
    public int TokenTypes { get; init; }

    /// <summary>Numbers that an encoder's classifier gives for a text; 0: it has none.</summary>
    public int Labels { get; init; }

    /// <summary>
    /// Rows of the matrices that an encoder's pooled vector goes through, one after the other (sentence-transformers' Dense); empty: there
    /// are none.
    /// </summary>
    public IReadOnlyList<int> DenseWidths { get; init; } = [];

    /// <summary>Tokens of the longest text that an encoder was tuned on; 0: as many as it has positions.</summary>
    public int MostTextTokens { get; init; }

    /// <summary>Numbers of a text's vector.</summary>
    public int VectorWidth => DenseWidths.Count > 0 ? DenseWidths[^1] : Width;

    /// <summary>The tensor of <see cref="OutputNorm"/>.</summary>
    public TensorRole OutputNormRole { get; init; } = TensorRole.OutputNorm;

    /// <summary>Whether the embedding is the head too.</summary>
    public required bool IsTied { get; init; }

    public bool HasHeadBias { get; init; }

    /// <summary>Factor of the logits.</summary>
    public float LogitScale { get; init; } = 1f;

    /// <summary>Inputs of each layer beside the stream; null: none.</summary>
    public PerLayerSpec? PerLayer { get; init; }

    /// <summary>Soft cap of the logits, cap * tanh(logit / cap); 0: none.</summary>
    public float LogitCap { get; init; }

    /// <summary>
    /// Whether keys of the same position have other bits in a context of another length: rotary positions that are stretched by it.
    /// </summary>
    public bool DependsOnContext => Layers.Any(layer => layer.Attention.Rope?.Scaling is RopeScaling.Long or RopeScaling.DynamicNtk);
}

/// <summary>A table with a row for each position.</summary>
/// <param name="Rows">Rows of the table.</param>
internal sealed record LearnedPositions(int Rows);

/// <summary>One layer: what is added to the residual stream by attention, then by the feed-forward part.</summary>
internal sealed record LayerSpec
{
    /// <summary>The norm of attention's input; null: none.</summary>
    public required NormSpec? AttentionNorm { get; init; }

    public required AttentionSpec Attention { get; init; }

    /// <summary>Recurrence in place of attention; null: none.</summary>
    public RecurrenceSpec? Recurrence { get; init; }

    /// <summary>Experts in the feed-forward part's place; null: none.</summary>
    public ExpertsSpec? Experts { get; init; }

    /// <summary>The norm of what attention adds; null: none.</summary>
    public NormSpec? PostAttentionNorm { get; init; }

    /// <summary>The norm of the stream after attention was added to it; null: none.</summary>
    public NormSpec? AddedAttentionNorm { get; init; }

    /// <summary>The norm of the feed-forward part's input; null: none, or attention's where both run beside each other.</summary>
    public required NormSpec? FeedForwardNorm { get; init; }

    public required FeedForwardSpec FeedForward { get; init; }

    /// <summary>
    /// The tensor of <see cref="FeedForwardNorm"/>: some architectures' files call it as others' the norm of what attention adds.
    /// </summary>
    public TensorRole FeedForwardNormRole { get; init; } = TensorRole.FeedForwardNorm;

    /// <summary>The norm of what the feed-forward part adds; null: none.</summary>
    public NormSpec? PostFeedForwardNorm { get; init; }

    /// <summary>The norm of the stream after the feed-forward part was added to it; null: none.</summary>
    public NormSpec? AddedFeedForwardNorm { get; init; }

    /// <summary>Both parts take the layer's input, and their results are added together.</summary>
    public bool IsParallel { get; init; }

    /// <summary>
    /// Of parallel parts with a norm each: attention's is the tensor attn_norm_2, and the feed-forward part's attn_norm (as llama.cpp names
    /// those of Falcon 40B).
    /// </summary>
    public bool HasSecondNorm { get; init; }

    /// <summary>Whether the stream is multiplied by a number of the file at the layer's end.</summary>
    public bool HasOutputScale { get; init; }

    /// <summary>Factor of what each part adds.</summary>
    public float ResidualScale { get; init; } = 1f;
}

/// <summary>y = x / sqrt(mean(x x) + epsilon) * weight + bias, with or without the bias.</summary>
internal sealed record NormSpec(float Epsilon)
{
    /// <summary>A layer norm: first the mean is taken off.</summary>
    public bool IsCentered { get; init; }

    public bool HasBias { get; init; }
}

/// <summary>Inputs of each layer beside the stream, as Gemma 4 has them.</summary>
/// <param name="Width">Numbers of a layer's.</param>
/// <param name="Norm">The norm of what the embedded token adds to it, and of what a layer makes from it.</param>
internal sealed record PerLayerSpec(int Width, NormSpec Norm);

/// <summary>y = Down (f(Gate x) * Up x), or Down f(Up x).</summary>
internal sealed record FeedForwardSpec
{
    /// <summary>Rows of gate and up.</summary>
    public required int Width { get; init; }

    public Activation Activation { get; init; }

    public bool IsGated { get; init; } = true;

    /// <summary>Gate and up are one matrix, gate first (the tensor ffn_up).</summary>
    public bool IsFused { get; init; }

    public bool HasGateBias { get; init; }

    public bool HasUpBias { get; init; }

    public bool HasDownBias { get; init; }

    /// <summary>Whether there is a matrix of the gate alone.</summary>
    public bool HasGate => IsGated && !IsFused;

    /// <summary>Rows of the matrix `up`.</summary>
    public int UpRows => IsFused ? checked(2 * Width) : Width;
}
