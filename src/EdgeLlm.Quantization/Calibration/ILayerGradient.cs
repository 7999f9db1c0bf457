namespace EdgeLlm.Quantization.Calibration;

/// <summary>What a backward pass through a layer gives its derivatives to.</summary>
internal interface ILayerGradient
{
    /// <summary>[embedding], added to; or null.</summary>
    float[]? AttentionNorm { get; }

    /// <summary>[embedding], added to; or null.</summary>
    float[]? FeedForwardNorm { get; }

    /// <summary>Takes what a matrix was given and computed, with its bias, and the loss' derivatives by the latter.</summary>
    /// <param name="x">[tokens, columns]</param>
    /// <param name="dy">[tokens, rows]</param>
    /// <param name="y">[tokens, rows]</param>
    void Add(LinearMap map, float[] x, float[] dy, float[] y, int tokens);
}
