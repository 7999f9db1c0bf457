namespace EdgeLlm.Quantization.Report;

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
