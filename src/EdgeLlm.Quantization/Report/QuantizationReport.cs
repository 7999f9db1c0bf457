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
