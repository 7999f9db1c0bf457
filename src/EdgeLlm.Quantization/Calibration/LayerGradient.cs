using System.Numerics.Tensors;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>The loss' derivatives by what is tuned of a layer: its norms, and a factor of every row of every matrix.</summary>
internal sealed class LayerGradient(ModelConfig config) : ILayerGradient
{
    private readonly Dictionary<string, float[]> _rows = [];

    /// <summary>[embedding]</summary>
    public float[] AttentionNorm { get; } = new float[config.EmbeddingLength];

    /// <summary>[embedding]</summary>
    public float[] FeedForwardNorm { get; } = new float[config.EmbeddingLength];

    /// <summary>[rows] of every matrix, by its name.</summary>
    public IReadOnlyDictionary<string, float[]> AllRows => _rows;

    /// <summary>A row's factor moves y in proportion to y without the bias.</summary>
    public void Add(LinearMap map, float[] x, float[] dy, float[] y, int tokens)
    {
        if (!_rows.TryGetValue(map.Name, out float[]? sums)) _rows[map.Name] = sums = new float[map.Rows];
        for (int t = 0; t < tokens; t++)
        {
            ReadOnlySpan<float> derivative = dy.AsSpan(t * map.Rows, map.Rows);
            TensorPrimitives.MultiplyAdd(derivative, y.AsSpan(t * map.Rows, map.Rows), sums, sums);
            if (map.Bias is null) continue;
            for (int row = 0; row < map.Rows; row++) sums[row] -= derivative[row] * map.Bias[row];
        }
    }

    public void Clear()
    {
        Array.Clear(AttentionNorm);
        Array.Clear(FeedForwardNorm);
        foreach (float[] sums in _rows.Values) Array.Clear(sums);
    }
}
