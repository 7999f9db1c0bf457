using EdgeLlm.Models.Spec;

namespace EdgeLlm.Training;

/// <summary>A layer's tensors as floats.</summary>
internal sealed class LayerWeights
{
    private readonly Dictionary<TensorRole, float[]> _arrays = [];

    /// <summary>[rows, columns] of a matrix, or [columns] of a vector.</summary>
    public float[] this[TensorUse use] => _arrays[use.Role];

    public float[]? Find(TensorUse? use) => use is null ? null : _arrays[use.Role];

    public void Set(TensorUse use, float[] numbers) => _arrays[use.Role] = numbers;

    /// <summary>The array of a matrix to write to: that of an earlier layer where it has the length.</summary>
    public float[] Reuse(TensorUse use)
    {
        long length = (long)use.Rows * use.Columns;
        if (!_arrays.TryGetValue(use.Role, out float[]? array) || array.Length != length) _arrays[use.Role] = array = new float[length];
        return array;
    }
}
