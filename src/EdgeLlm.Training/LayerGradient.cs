using System.Numerics.Tensors;
using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Training;

/// <summary>The loss's derivatives by the tuned numbers of a layer: its norms, and a factor of every row of every matrix.</summary>
internal sealed class LayerGradient : ILayerGradient
{
    private readonly Dictionary<string, float[]> _rows = [];
    private readonly Dictionary<string, float[]> _norms = [];

    /// <summary>[rows] of every matrix, by its name.</summary>
    public IReadOnlyDictionary<string, float[]> Rows => _rows;

    /// <summary>[width] of every norm, by its tensor's name.</summary>
    public IReadOnlyDictionary<string, float[]> Norms => _norms;

    public float[] NormOf(TensorUse weight)
    {
        if (!_norms.TryGetValue(weight.Name, out float[]? sums)) _norms[weight.Name] = sums = new float[weight.Columns];
        return sums;
    }

    /// <summary>A row's factor moves y in proportion to y without the bias.</summary>
    public void Add(Projection projection, float[]? bias, float[] x, float[] dy, float[] y, int tokens)
    {
        (string name, int rows) = (projection.Weight.Name, projection.Weight.Rows);
        if (!_rows.TryGetValue(name, out float[]? sums)) _rows[name] = sums = new float[rows];
        for (int t = 0; t < tokens; t++)
        {
            ReadOnlySpan<float> derivative = dy.AsSpan(t * rows, rows);
            TensorPrimitives.MultiplyAdd(derivative, y.AsSpan(t * rows, rows), sums, sums);
            if (bias is null) continue;
            for (int row = 0; row < rows; row++) sums[row] -= derivative[row] * bias[row];
        }
    }

    public void Clear()
    {
        foreach (float[] sums in _norms.Values) Array.Clear(sums);
        foreach (float[] sums in _rows.Values) Array.Clear(sums);
    }
}
