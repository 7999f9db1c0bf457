namespace EdgeLlm.Quantization.Report;

/// <summary>How a model predicts a text, beside its source. Divergences are in nats.</summary>
/// <param name="Text">What the text is.</param>
/// <param name="Predictions">Tokens that were predicted.</param>
/// <param name="SameTop">Share, 0 to 1, of the predictions in which both hold the same token to be the likeliest.</param>
internal sealed record Measurement(string Text, int Predictions, double SourcePerplexity, double Perplexity, double MeanDivergence,
    double MedianDivergence, double Divergence99, double SameTop);
