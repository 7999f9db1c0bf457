namespace EdgeLlm.Training;

/// <summary>Steps by Adam (Kingma and Ba, 2014) for an array of numbers that are tuned relative to their own size.</summary>
internal sealed class AdamState(int count)
{
    private const float FirstDecay = 0.9f;
    private const float SecondDecay = 0.95f;

    /// <summary>Means of the derivatives, the newer ones counting more: [count].</summary>
    public float[] First { get; } = new float[count];

    /// <summary>Means of their squares: [count].</summary>
    public float[] Second { get; } = new float[count];

    /// <summary>The factor [count] of each number for this step.</summary>
    /// <param name="gradient">Derivatives by the logarithm of each number.</param>
    /// <param name="number">Of the step, from 1 on.</param>
    public float[] Step(ReadOnlySpan<float> gradient, float rate, int number)
    {
        float firstWeight = 1 / (1 - MathF.Pow(FirstDecay, number)), secondWeight = 1 / (1 - MathF.Pow(SecondDecay, number));
        float[] factors = new float[gradient.Length];
        for (int i = 0; i < factors.Length; i++)
        {
            First[i] = FirstDecay * First[i] + (1 - FirstDecay) * gradient[i];
            Second[i] = SecondDecay * Second[i] + (1 - SecondDecay) * gradient[i] * gradient[i];
            factors[i] = 1 - rate * First[i] * firstWeight / (MathF.Sqrt(Second[i] * secondWeight) + 1e-12f);
        }
        return factors;
    }
}
