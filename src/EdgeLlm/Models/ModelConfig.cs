namespace EdgeLlm.Models;

/// <summary>The shape of a model, out of its file's metadata. Names in brackets are GGUF keys, `{arch}` being the architecture.</summary>
public sealed record ModelConfig
{
    /// <summary>[general.architecture], such as `llama`.</summary>
    public required string Architecture { get; init; }

    /// <summary>[{arch}.context_length]: positions that the model was trained on.</summary>
    public required int ContextLength { get; init; }

    /// <summary>[{arch}.embedding_length]: width of the residual stream.</summary>
    public required int EmbeddingLength { get; init; }

    /// <summary>[{arch}.block_count]: layers.</summary>
    public required int BlockCount { get; init; }

    /// <summary>[{arch}.feed_forward_length].</summary>
    public required int FeedForwardLength { get; init; }

    /// <summary>[{arch}.attention.head_count]: query heads.</summary>
    public required int HeadCount { get; init; }

    /// <summary>[{arch}.attention.head_count_kv]: key/value heads; each serves HeadCount / KeyValueHeadCount query heads.</summary>
    public required int KeyValueHeadCount { get; init; }

    /// <summary>[{arch}.attention.key_length]: numbers in a head's query, key and value.</summary>
    public required int HeadDimension { get; init; }

    /// <summary>Rows of the embedding.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>[{arch}.attention.layer_norm_rms_epsilon].</summary>
    public required float NormEpsilon { get; init; }

    /// <summary>[{arch}.attention.sliding_window]: positions that a token sees, its own among them; 0: all.</summary>
    public int SlidingWindow { get; init; }

    /// <summary>[{arch}.rope.dimension_count]: how many of a head's numbers are rotated.</summary>
    public required int RopeDimension { get; init; }

    /// <summary>[{arch}.rope.freq_base].</summary>
    public float RopeBase { get; init; } = 10000f;

    /// <summary>[{arch}.rope.scaling.type].</summary>
    public RopeScaling RopeScaling { get; init; }

    /// <summary>[{arch}.rope.scaling.factor].</summary>
    public float RopeScalingFactor { get; init; } = 1f;

    /// <summary>[{arch}.rope.scaling.original_context_length].</summary>
    public int RopeOriginalContextLength { get; init; }

    /// <summary>[{arch}.rope.scaling.attn_factor].</summary>
    public float RopeAttentionFactor { get; init; } = 1f;

    /// <summary>[{arch}.rope.scaling.yarn_beta_fast].</summary>
    public float YarnBetaFast { get; init; } = 32f;

    /// <summary>[{arch}.rope.scaling.yarn_beta_slow].</summary>
    public float YarnBetaSlow { get; init; } = 1f;

    /// <summary>Width of all query heads together.</summary>
    public int QueryWidth => checked(HeadCount * HeadDimension);

    /// <summary>Width of all keys (or values) together.</summary>
    public int KeyValueWidth => checked(KeyValueHeadCount * HeadDimension);
}
