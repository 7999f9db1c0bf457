using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization.Standard;

namespace EdgeLlm.Tests.Quantization.Standard;

public sealed class BlockEncoderTests
{
    public static TheoryData<ElementType> Types => [.. Enum.GetValues<ElementType>().Where(BlockEncoder.CanEncode)];

    public static TheoryData<ElementType, double> ErrorBounds => new()
    {
        // Mean squared error over that of the weights, normally distributed: what was measured and a little more. Without a search Q4_0 has
        // .0074.
        { ElementType.Q4_0, .0074 }, { ElementType.Q4_1, .0066 }, { ElementType.Q5_0, .0018 }, { ElementType.Q5_1, .0016 },
        { ElementType.Q8_0, .00004 },
        { ElementType.IQ4_NL, .0055 }, { ElementType.Q4_K, .00505 }, { ElementType.Q5_K, .0013 }, { ElementType.Q6_K, .0004 },
        { ElementType.F16, 1e-7 }, { ElementType.BF16, 4e-6 },
    };

    [Theory]
    [MemberData(nameof(ErrorBounds))]
    public void The_error_on_normally_distributed_weights_is_that_of_a_searched_scale(ElementType type, double bound)
    {
        float[] row = Normal(256 * 64, seed: 1), back = Decode(type, Encode(type, row), row.Length);
        double error = row.Zip(back).Sum(pair => Math.Pow(pair.First - pair.Second, 2)) / row.Sum(x => (double)x * x);
        Assert.InRange(error, bound / 3, bound);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void What_a_type_can_hold_comes_back_nearly_as_it_was(ElementType type)
    {
        // Decoded values are exactly what blocks can hold; a second pass may find another scale for them, but hardly any error.
        float[] held = Decode(type, Encode(type, Normal(256 * 16, seed: 2)), 256 * 16),
            back = Decode(type, Encode(type, held), held.Length);
        double error = held.Zip(back).Sum(pair => Math.Pow(pair.First - pair.Second, 2)) / held.Sum(x => (double)x * x);
        Assert.InRange(error, 0, type is ElementType.Q4_K or ElementType.Q5_K ? 2e-4 : 2e-5);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Zeros_tiny_and_huge_weights_stay_finite(ElementType type)
    {
        foreach (float size in new[] { 0f, 1e-30f, 1e-8f, 60000f })
        {
            float[] row = [.. Normal(512, seed: 3).Select(x => Math.Clamp(x, -1, 1) * size)],
                back = Decode(type, Encode(type, row), row.Length);
            Assert.All(back, x => Assert.InRange(Math.Abs(x), 0, 1.2f * size));
        }
    }

    [Theory]
    [InlineData(ElementType.Q4_0)]
    [InlineData(ElementType.Q4_1)]
    [InlineData(ElementType.Q5_0)]
    [InlineData(ElementType.IQ4_NL)]
    [InlineData(ElementType.Q4_K)]
    [InlineData(ElementType.Q6_K)]
    public void Importance_moves_errors_to_where_they_count_less(ElementType type)
    {
        float[] row = Normal(256 * 64, seed: 4), importance = [.. Enumerable.Range(0, row.Length).Select(k => k % 8 == 0 ? 100f : 0.1f)];
        double plain = Cost(row, Decode(type, Encode(type, row), row.Length), importance);
        double weighted = Cost(row, Decode(type, Encode(type, row, importance), row.Length), importance);
        Assert.InRange(weighted / plain, 0, 0.9);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Importance_of_zero_everywhere_is_no_importance(ElementType type)
    {
        float[] row = Normal(512, seed: 5);
        Assert.Equal(Encode(type, row), Encode(type, row, new float[512]));
    }

    private static double Cost(float[] row, float[] back, float[] importance) =>
        Enumerable.Range(0, row.Length).Sum(k => importance[k] * Math.Pow(row[k] - back[k], 2));

    private static byte[] Encode(ElementType type, float[] row, float[]? importance = null)
    {
        byte[] bytes = new byte[ElementFormat.ByteCount(type, row.Length)];
        Random.Shared.NextBytes(bytes); // what was there before must not matter
        BlockEncoder.Encode(type, row, importance ?? [], bytes);
        return bytes;
    }

    private static float[] Decode(ElementType type, byte[] bytes, int count)
    {
        float[] row = new float[count];
        Dequantizer.ToFloat(type, bytes, row);
        return row;
    }

    private static float[] Normal(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count)
            .Select(_ => (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())))];
    }
}
