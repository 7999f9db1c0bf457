namespace EdgeLlm.Kernels.Vectors;

/// <summary>Where four rows of floats begin; where there are fewer, the last one again.</summary>
internal readonly unsafe struct FourRows(float* first, float* second, float* third, float* fourth)
{
    public float* First { get; } = first;

    public float* Second { get; } = second;

    public float* Third { get; } = third;

    public float* Fourth { get; } = fourth;

    public static FourRows Of(float* rows, nint stride, int row, int endRow) => new(
        rows + row * stride, rows + Math.Min(row + 1, endRow - 1) * stride, rows + Math.Min(row + 2, endRow - 1) * stride,
        rows + Math.Min(row + 3, endRow - 1) * stride);

    public FourRows At(nint offset) => new(First + offset, Second + offset, Third + offset, Fourth + offset);
}
