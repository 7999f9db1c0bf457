using System.Numerics;

namespace EdgeLlm.Models.Layers;

/// <summary>Damage in the last two tensors is seen by no later layer: their results are checked themselves.</summary>
internal static unsafe class FiniteCheck
{
    /// <exception cref="NotFiniteException">A value is infinite or not a number; the message names the tensor.</exception>
    public static void Require(float* values, nint count, string tensor)
    {
        // 0 x is 0 for a number, and not a number for infinity and NaN. Four sums: a vocabulary is long, and each waits for its last
        // addition.
        Vector<float> a = Vector<float>.Zero, b = a, c = a, d = a;
        nint i = 0, width = Vector<float>.Count;
        for (; i <= count - 4 * width; i += 4 * width)
        {
            a = Vector.FusedMultiplyAdd(Vector.Load(values + i), Vector<float>.Zero, a);
            b = Vector.FusedMultiplyAdd(Vector.Load(values + i + width), Vector<float>.Zero, b);
            c = Vector.FusedMultiplyAdd(Vector.Load(values + i + 2 * width), Vector<float>.Zero, c);
            d = Vector.FusedMultiplyAdd(Vector.Load(values + i + 3 * width), Vector<float>.Zero, d);
        }
        float rest = Vector.Sum(a + b + c + d);
        for (; i < count; i++) rest += values[i] * 0;
        if (rest == 0) return;
        throw NotFiniteException.Of($"a result of {tensor}");
    }
}
