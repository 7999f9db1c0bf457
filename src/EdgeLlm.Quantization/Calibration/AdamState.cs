namespace EdgeLlm.Quantization.Calibration;

/// <summary>Steps by Adam (Kingma and Ba, 2014) for an array of numbers that are tuned relative to their own size.</summary>
internal sealed class AdamState(int count)
{
    private const float FirstDecay = 0.9f;
    private const float SecondDecay = 0.95f;

    private readonly float[] _first = new float[count];
    private readonly float[] _second = new float[count];
    private int _steps;

    /// <summary>The factor [count] of each number for this step.</summary>
    /// <param name="gradient">Derivatives by the logarithm of each number.</param>
    public float[] Step(ReadOnlySpan<float> gradient, float rate)
    {
        _steps++;
        float firstWeight = 1 / (1 - MathF.Pow(FirstDecay, _steps)), secondWeight = 1 / (1 - MathF.Pow(SecondDecay, _steps));
        float[] factors = new float[gradient.Length];
        for (int i = 0; i < factors.Length; i++)
        {
            _first[i] = FirstDecay * _first[i] + (1 - FirstDecay) * gradient[i];
            _second[i] = SecondDecay * _second[i] + (1 - SecondDecay) * gradient[i] * gradient[i];
            factors[i] = 1 - rate * _first[i] * firstWeight / (MathF.Sqrt(_second[i] * secondWeight) + 1e-12f);
        }
        return factors;
    }
}
