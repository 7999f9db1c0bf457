using EdgeLlm.Quantization.Rounding;

namespace EdgeLlm.Quantization;

/// <summary>Result of quantizing a layer.</summary>
/// <param name="Matrices">Those that are packed.</param>
/// <param name="Norms">Its norms for these matrices, by their tensors' names; null where it is not a layer (embedding and head).</param>
internal sealed record QuantizedLayer(IReadOnlyList<PackedMatrix> Matrices, IReadOnlyDictionary<string, float[]>? Norms);
