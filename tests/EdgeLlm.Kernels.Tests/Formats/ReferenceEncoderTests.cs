using EdgeLlm.Kernels.Formats;
using EdgeLlm.Tests;

namespace EdgeLlm.Kernels.Tests.Formats;

public sealed class ReferenceEncoderTests
{
    [Theory] // not Q4_0 and Q5_0: the goldens' scales of those come from a search
    [InlineData(ElementType.F16)]
    [InlineData(ElementType.BF16)]
    [InlineData(ElementType.Q8_0)]
    public void The_floats_of_the_golden_blocks_encode_to_their_bytes(ElementType type)
    {
        byte[] bytes = File.ReadAllBytes(SharedFolder.Require("golden", "blocks", type.ToString().ToLowerInvariant() + ".bin"));

        Assert.Equal(bytes, ReferenceEncoder.Encode(type, Decoding.ToFloats(type, bytes)));
    }

    /// <summary>These formats keep their largest value exactly, so what they decode to has the same scale and codes.</summary>
    [Theory]
    [InlineData(ElementType.Q4_0)]
    [InlineData(ElementType.Q5_0)]
    [InlineData(ElementType.Q8_0)]
    public void Decoded_values_encode_to_the_bytes_they_came_from(ElementType type)
    {
        byte[] bytes = ReferenceEncoder.Encode(type, RandomValues());

        Assert.Equal(bytes, ReferenceEncoder.Encode(type, Decoding.ToFloats(type, bytes)));
    }

    [Fact]
    public void Whole_numbers_within_the_codes_are_kept()
    {
        float[] values = [.. Enumerable.Range(0, 32).Select(i => (float)(i % 16))];
        float[] centred = [.. values.Select(value => value - 8)];

        Assert.Equal(values, Decoding.ToFloats(ElementType.Q4_1, ReferenceEncoder.Encode(ElementType.Q4_1, values)));
        Assert.Equal(centred, Decoding.ToFloats(ElementType.Q4_0, ReferenceEncoder.Encode(ElementType.Q4_0, centred)));
        float[] wide = [.. Enumerable.Range(-16, 32).Select(i => (float)i)];
        Assert.Equal(wide, Decoding.ToFloats(ElementType.Q5_0, ReferenceEncoder.Encode(ElementType.Q5_0, wide)));
        Assert.Equal(wide, Decoding.ToFloats(ElementType.Q5_1, ReferenceEncoder.Encode(ElementType.Q5_1, wide)));
    }

    [Theory]
    [InlineData(ElementType.F32, 0)]
    [InlineData(ElementType.F16, 1 / 2048f)]
    [InlineData(ElementType.BF16, 1 / 256f)]
    [InlineData(ElementType.Q8_0, 0.5f / 127)]
    [InlineData(ElementType.Q5_0, 1f / 16)] // a whole step: the positive end has one code less
    [InlineData(ElementType.Q4_0, 1f / 8)]
    [InlineData(ElementType.Q5_1, 1f / 31)] // half a step of a range of 2
    [InlineData(ElementType.Q4_1, 1f / 15)]
    public void A_value_comes_back_within_the_rounding_of_its_code_and_its_scale(ElementType type, float codeRounding)
    {
        float[] values = RandomValues();

        float[] decoded = Decoding.ToFloats(type, ReferenceEncoder.Encode(type, values));

        float scaleRounding = type is ElementType.F32 or ElementType.F16 or ElementType.BF16 ? 0 : 3f / 2048;
        for (int i = 0; i < values.Length; i++) Assert.InRange(MathF.Abs(decoded[i] - values[i]), 0, codeRounding + scaleRounding);
    }

    [Fact]
    public void A_block_of_zeros_comes_back_as_zeros()
    {
        foreach (ElementType type in new[] { ElementType.Q4_0, ElementType.Q4_1, ElementType.Q5_0, ElementType.Q5_1, ElementType.Q8_0 })
            Assert.All(Decoding.ToFloats(type, ReferenceEncoder.Encode(type, new float[32])), value => Assert.Equal(0, value));
    }

    private static float[] RandomValues()
    {
        var random = new Random(3);
        return [.. Enumerable.Range(0, 4096).Select(_ => 2 * random.NextSingle() - 1)];
    }
}
