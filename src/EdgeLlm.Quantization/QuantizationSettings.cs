namespace EdgeLlm.Quantization;

/// <summary>Settings of the calibrated quantizer; the defaults give the best quality.</summary>
internal sealed record QuantizationSettings
{
    /// <summary>Tokens of a window of the calibration text.</summary>
    public int WindowLength { get; init; } = 512;

    /// <summary>Windows that are taken of the calibration text at most.</summary>
    public int Windows { get; init; } = 48;

    /// <summary>
    /// Whether matrices are rounded by the whole model's loss, where its layers have a backward pass; else by their inputs alone.
    /// </summary>
    public bool UsesGradients { get; init; } = true;

    /// <summary>Whether matrices that are rounded by the loss are rotated.</summary>
    public bool Rotates { get; init; } = true;

    /// <summary>Share of the mean of a curvature's diagonal that is added to it.</summary>
    public double Damping { get; init; } = 0.003;

    /// <summary>
    /// Share of each element of a curvature's diagonal that is added to it: correlations are partly the calibration text's own.
    /// </summary>
    public double Shrinkage { get; init; } = 0.05;

    /// <summary>Rounds of coordinate descent after a matrix was rounded.</summary>
    public int Sweeps { get; init; } = 2;

    /// <summary>How often the tuning goes through the calibration text; 0: no tuning.</summary>
    public int TuningEpochs { get; init; } = 1;

    /// <summary>The share by which the tuning moves a row's scale in its first steps.</summary>
    public float RowRate { get; init; } = 2e-3f;

    /// <summary>The share by which the tuning moves a norm's weight in its first steps.</summary>
    public float NormRate { get; init; } = 2e-3f;
}
