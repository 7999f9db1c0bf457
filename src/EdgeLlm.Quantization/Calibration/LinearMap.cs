using System.Numerics.Tensors;
using EdgeLlm.Quantization.Numerics;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>y = W x + b, in floats.</summary>
/// <param name="Weights">[rows, columns]</param>
/// <param name="Bias">[rows], or null.</param>
internal sealed record LinearMap(string Name, float[] Weights, int Rows, int Columns, float[]? Bias)
{
    /// <summary>y [tokens, rows] = x [tokens, columns] W' + b.</summary>
    public void Apply(float[] x, float[] y, int tokens, int firstToken = 0)
    {
        MatrixMultiplier.Multiply(new MatrixView(x, firstToken * Columns, tokens, Columns, Columns, 1), new MatrixView(Weights, Rows, Columns).Transposed, new MatrixView(y, tokens, Rows));
        if (Bias is null) return;
        for (int t = 0; t < tokens; t++) TensorPrimitives.Add(y.AsSpan(t * Rows, Rows), Bias, y.AsSpan(t * Rows, Rows));
    }

    /// <summary>dx [tokens, columns] = or += dy [tokens, rows] W.</summary>
    public void ApplyBackward(float[] dy, float[] dx, int tokens, bool accumulate) =>
        MatrixMultiplier.Multiply(new MatrixView(dy, tokens, Rows), new MatrixView(Weights, Rows, Columns), new MatrixView(dx, tokens, Columns), accumulate);
}
