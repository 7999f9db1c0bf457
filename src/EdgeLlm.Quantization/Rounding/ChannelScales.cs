using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Quantization.Rounding;

/// <summary>
/// A factor for each input of some matrices after a norm: W diag(s) of x / s is W x, and the division goes into the norm's weights. Columns
/// whose inputs are larger become larger themselves, so that what is rounded finely in a run is what counts (Lin et al., "AWQ", 2023).
/// </summary>
internal sealed class ChannelScales
{
    // Half of it is the power of the inputs' root mean square. The held-out errors of SmolLM2's layers are smallest near 0.25.
    private const double Power = 0.25;
    private const double Most = 4;

    private readonly float[] _scales;
    private readonly FloatArena? _arena;

    /// <param name="moments">Second moments of the inputs, above zero on the diagonal: [size, size].</param>
    /// <param name="arena">Where scaled matrices are from; null: they are new.</param>
    public ChannelScales(float[] moments, int size, FloatArena? arena = null)
    {
        _arena = arena;
        double[] scales = [.. Enumerable.Range(0, size).Select(k => Math.Pow(Math.Max(moments[k * size + k], float.Epsilon), Power / 2))];
        double mean = Math.Exp(scales.Average(Math.Log));
        _scales = [.. scales.Select(scale => (float)Math.Clamp(scale / mean, 1 / Most, Most))];
    }

    /// <summary>The matrix for the scaled inputs: [rows, size].</summary>
    public float[] Weights(float[] weights) => Map(weights, (column, _) => _scales[column]);

    /// <summary>The second moments of the scaled inputs: [size, size].</summary>
    public float[] Moments(float[] moments) => Map(moments, (column, row) => 1 / (_scales[row] * _scales[column]));

    /// <summary>Scales the inputs: divides the weights of the norm that they come from.</summary>
    public void Divide(float[] norm)
    {
        for (int k = 0; k < norm.Length; k++) norm[k] /= _scales[k];
    }

    private float[] Map(float[] matrix, Func<int, int, float> factor)
    {
        float[] scaled = _arena?.Rent(matrix.Length) ?? new float[matrix.Length];
        Parallel.For(0, matrix.Length / _scales.Length, row =>
        {
            int start = row * _scales.Length;
            for (int column = 0; column < _scales.Length; column++) scaled[start + column] = matrix[start + column] * factor(column, row);
        });
        return scaled;
    }
}
