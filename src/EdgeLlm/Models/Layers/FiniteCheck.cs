using System.Numerics;

namespace EdgeLlm.Models.Layers;

/// <summary>Damage in the last two tensors is seen by no later layer: their results are checked themselves.</summary>
internal static unsafe class FiniteCheck
{
    /// <exception cref="NotFiniteException">A value is infinite or not a number; the message names the tensor.</exception>
    public static void Require(float* values, nint count, string tensor)
    {
        // x - x is 0 for a number, and not a number for infinity and NaN.
        Vector<float> sum = Vector<float>.Zero;
        nint i = 0;
        for (; i <= count - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector<float> value = Vector.Load(values + i);
            sum += value - value;
        }
        float rest = Vector.Sum(sum);
        for (; i < count; i++) rest += values[i] - values[i];
        if (rest == 0) return;
        throw new NotFiniteException($"a result of {tensor} is infinite or not a number: the model's weights are damaged, or its numbers exceed what this type can hold");
    }
}
