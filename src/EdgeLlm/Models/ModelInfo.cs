namespace EdgeLlm.Models;

/// <summary>A model in figures. Names in brackets are GGUF keys, `{arch}` being the architecture.</summary>
public sealed record ModelInfo
{
    /// <summary>[general.architecture], such as `llama`.</summary>
    public required string Architecture { get; init; }

    /// <summary>[{arch}.context_length]: positions that the model was trained on.</summary>
    public required int ContextLength { get; init; }

    /// <summary>[{arch}.embedding_length]: numbers of a hidden state.</summary>
    public required int EmbeddingLength { get; init; }

    /// <summary>[{arch}.block_count]: layers.</summary>
    public required int BlockCount { get; init; }

    /// <summary>Rows of the embedding: tokens that the model can compute, and logits of each.</summary>
    public required int VocabularySize { get; init; }
}
