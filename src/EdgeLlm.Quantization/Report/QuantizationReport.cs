namespace EdgeLlm.Quantization.Report;

/// <summary>Report of a quantization: settings, sizes, errors.</summary>
internal sealed record QuantizationReport
{
    public required string Source { get; init; }

    public required long SourceBytes { get; init; }

    public required string Output { get; init; }

    public required long OutputBytes { get; init; }

    public required string Model { get; init; }

    public required string Method { get; init; }

    /// <summary>The text that it was calibrated with, or null.</summary>
    public string? Calibration { get; init; }

    public required TimeSpan Time { get; init; }

    /// <summary>Matrices that kept the codes of Q4_0 that they were trained for.</summary>
    public int Lattices { get; init; }

    public required IReadOnlyList<TensorReport> Tensors { get; init; }

    public IReadOnlyList<Alternative> Alternatives { get; init; } = [];

    /// <summary>Null where nothing was measured.</summary>
    public Measurement? Measurement { get; init; }

    public IReadOnlyList<AnswerPair> Answers { get; init; } = [];

    /// <summary>Bytes that the output takes beside its tensors.</summary>
    public long Overhead => OutputBytes - Tensors.Sum(tensor => tensor.Bytes);

    /// <summary>Over all matrices, each counting by its weights.</summary>
    public double Error =>
        Matrices.Any() ? Matrices.Sum(tensor => (tensor.Error ?? 0) * tensor.Rows * tensor.Columns)
            / Matrices.Sum(tensor => (double)tensor.Rows * tensor.Columns) : 0;

    public double BitsPerWeight =>
        Matrices.Any() ? Matrices.Sum(tensor => tensor.Bytes * 8.0) / Matrices.Sum(tensor => (double)tensor.Rows * tensor.Columns) : 0;

    public IEnumerable<TensorReport> Matrices => Tensors.Where(tensor => tensor.IsMatrix);
}

/// <summary>Form and error of a tensor.</summary>
/// <param name="Layer">Null outside of the layers.</param>
/// <param name="Kind">The name without layer and `.weight`, such as `attn_q`.</param>
/// <param name="From">The source's type.</param>
/// <param name="To">The output's: `Q4_0`, `e4g32`.</param>
/// <param name="Error">sum (w - w')^2 / sum w^2 over some rows; null where the tensor is as it was.</param>
internal sealed record TensorReport(string Name, int? Layer, string Kind, long Rows, long Columns, string From, string To,
    long Bytes, double? Error)
{
    public double BitsPerWeight => Bytes * 8.0 / (Rows * Columns);

    /// <summary>Whether it is a matrix whose weights are stored otherwise than in the source, or could be.</summary>
    public bool IsMatrix => Rows > 1;
}

/// <summary>How a model predicts a text, beside its source. Divergences are in nats.</summary>
/// <param name="Text">What the text is.</param>
/// <param name="Predictions">Tokens that were predicted.</param>
/// <param name="SameTop">Share, 0 to 1, of the predictions in which both hold the same token to be the likeliest.</param>
internal sealed record Measurement(string Text, int Predictions, double SourcePerplexity, double Perplexity, double MeanDivergence,
    double MedianDivergence, double Divergence99, double SameTop);

/// <summary>A question, and what the source and the new model answer, the likeliest token each time.</summary>
internal sealed record AnswerPair(string Question, string Source, string Answer);
