namespace EdgeLlm.Quantization.Calibration;

/// <summary>A llama layer's numbers as floats.</summary>
internal sealed class DecoderLayer
{
    /// <summary>[embedding]</summary>
    public required float[] AttentionNorm { get; init; }

    /// <summary>[embedding]</summary>
    public required float[] FeedForwardNorm { get; init; }

    public required LinearMap Query { get; init; }

    public required LinearMap Key { get; init; }

    public required LinearMap Value { get; init; }

    public required LinearMap AttentionOutput { get; init; }

    public required LinearMap Gate { get; init; }

    public required LinearMap Up { get; init; }

    public required LinearMap Down { get; init; }

    /// <summary>All of them, in the order of use.</summary>
    public IEnumerable<LinearMap> Maps => [Query, Key, Value, AttentionOutput, Gate, Up, Down];
}
