namespace EdgeLlm.Training.Numerics;

/// <summary>
/// Arrays of floats that the stages of a long work use one after the other, which have the same sizes layer after layer. Left to the
/// collector, those of several layers would pile up before it looks. For one thread.
/// </summary>
internal sealed class FloatArena
{
    private readonly Dictionary<int, Stack<float[]>> _free = [];

    /// <summary>An array of this length, with whatever it held before.</summary>
    public float[] Rent(long length) =>
        _free.TryGetValue(checked((int)length), out Stack<float[]>? free) && free.TryPop(out float[]? array) ? array : new float[length];

    /// <summary>An array of zeros.</summary>
    public float[] RentZeros(long length)
    {
        float[] array = Rent(length);
        Array.Clear(array);
        return array;
    }

    /// <summary>Takes arrays back, which nobody uses any more.</summary>
    public void Return(params ReadOnlySpan<float[]> arrays)
    {
        foreach (float[] array in arrays)
        {
            if (!_free.TryGetValue(array.Length, out Stack<float[]>? free)) _free[array.Length] = free = [];
            free.Push(array);
        }
    }
}
