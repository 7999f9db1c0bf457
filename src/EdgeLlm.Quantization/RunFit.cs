namespace EdgeLlm.Quantization;

/// <summary>A run of weights x and what its nearest values t make of it at the best scale d; w: how much each counts, the most 1.</summary>
/// <param name="Scale">d</param>
/// <param name="Captured">sum w x (d t)</param>
/// <param name="Energy">sum w x x</param>
internal readonly record struct RunFit(float Scale, float Captured, float Energy);
