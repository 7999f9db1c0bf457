using EdgeLlm.Quantization.Rounding;

namespace EdgeLlm.Tests.Quantization;

/// <summary>Factors between a norm and the matrices behind it.</summary>
public sealed class ChannelScalesTests
{
    private const int Size = 24;

    private readonly Random _random = new(3);

    [Fact]
    public void Scaled_weights_of_scaled_inputs_compute_the_same()
    {
        float[] weights = Numbers(5 * Size), norm = Numbers(Size), scaledNorm = [.. norm];
        var scales = new ChannelScales(Moments(), Size);
        scales.Divide(scaledNorm);
        float[] scaled = scales.Weights(weights);
        for (int k = 0; k < weights.Length; k++) Assert.Equal(weights[k] * norm[k % Size], scaled[k] * scaledNorm[k % Size], 1e-5f);
    }

    [Fact]
    public void Scaled_errors_cost_the_same_under_the_scaled_moments()
    {
        float[] errors = Numbers(5 * Size), moments = Moments();
        var scales = new ChannelScales(moments, Size);
        double cost = Curvature.MeanCost(errors, 5, moments, Size);
        Assert.Equal(cost, Curvature.MeanCost(scales.Weights(errors), 5, scales.Moments(moments), Size), 1e-4 * cost);
    }

    [Fact]
    public void Columns_with_larger_inputs_become_larger_within_limits()
    {
        float[] moments = new float[Size * Size];
        for (int k = 0; k < Size; k++) moments[k * Size + k] = k switch { 0 => 1e20f, 1 => 0, _ => k };
        float[] scales = new ChannelScales(moments, Size).Weights([.. Enumerable.Repeat(1f, Size)]);
        Assert.Equal(4, scales[0]);
        Assert.Equal(0.25f, scales[1]);
        for (int k = 3; k < Size; k++) Assert.True(scales[k] > scales[k - 1]);
    }

    private float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(2 * _random.NextDouble() - 1))];

    private float[] Moments()
    {
        float[] inputs = Numbers(2 * Size * Size), moments = new float[Size * Size];
        for (int i = 0; i < moments.Length; i++)
        {
            for (int t = 0; t < 2 * Size; t++)
                moments[i] += (1 + i / Size) * (1 + i % Size) * inputs[t * Size + i / Size] * inputs[t * Size + i % Size];
        }
        return moments;
    }
}
