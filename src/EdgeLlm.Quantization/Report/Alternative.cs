namespace EdgeLlm.Quantization.Report;

/// <summary>Another form that the model could have, and what it costs.</summary>
/// <param name="Bytes">Of the file.</param>
/// <param name="Error">sum (w - w')^2 / sum w^2 over some rows of the matrices, rounded to the nearest.</param>
/// <param name="Divergence">About the mean KL divergence from the source that this makes, in nats; null where it was not estimated.</param>
/// <param name="Command">What makes it, without the file names.</param>
internal sealed record Alternative(string Name, string Command, long Bytes, double Error, double? Divergence);
