using EdgeLlm.Quantization.Rounding;

namespace EdgeLlm.Quantization;

/// <summary>What became of a layer.</summary>
/// <param name="Matrices">Those that are packed.</param>
/// <param name="Norms">Its norms for these matrices, by their tensors' names; null for what is no layer (embedding and head).</param>
internal sealed record QuantizedLayer(IReadOnlyList<PackedMatrix> Matrices, IReadOnlyDictionary<string, float[]>? Norms);
