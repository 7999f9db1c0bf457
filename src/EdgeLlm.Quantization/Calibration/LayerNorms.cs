namespace EdgeLlm.Quantization.Calibration;

/// <summary>The weights of a layer's two norms.</summary>
/// <param name="Attention">[embedding]</param>
/// <param name="FeedForward">[embedding]</param>
internal sealed record LayerNorms(float[] Attention, float[] FeedForward);
