using System.Numerics;
using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Kernels.Vectors;

namespace EdgeLlm.Speech.Recognition;

/// <summary>Probabilities of logits, with the same bits on every machine.</summary>
internal static class Softmax
{
    private const int Lanes = 8;

    public static float Largest(ReadOnlySpan<float> logits)
    {
        float largest = float.NegativeInfinity;
        foreach (float logit in logits) largest = logit > largest ? logit : largest;
        return largest;
    }

    /// <summary>The index of the largest, the first of equal ones.</summary>
    public static int IndexOfLargest(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[best]) best = i;
        }
        return best;
    }

    /// <summary>log(sum of exp(x)); negative infinity where all are.</summary>
    public static double LogSum(ReadOnlySpan<float> logits)
    {
        float largest = Largest(logits);
        if (float.IsNegativeInfinity(largest)) return double.NegativeInfinity;
        // Exponentials are the same in any width of vector; their sums have eight lanes.
        Span<double> lanes = stackalloc double[Lanes];
        Span<float> exponentials = stackalloc float[Lanes];
        lanes.Clear();
        int whole = logits.Length / Lanes * Lanes;
        for (int i = 0; i < whole; i += Lanes)
        {
            for (int j = 0; j < Lanes; j += Vector<float>.Count)
                VectorKernel.Exp(new Vector<float>(logits[(i + j)..]) - new Vector<float>(largest)).CopyTo(exponentials[j..]);
            for (int j = 0; j < Lanes; j++) lanes[j] += exponentials[j];
        }
        double sum = 0;
        foreach (double lane in lanes) sum += lane;
        for (int i = whole; i < logits.Length; i++) sum += Polynomials.Exp(logits[i] - largest);
        return largest + Polynomials.Log(sum);
    }
}
