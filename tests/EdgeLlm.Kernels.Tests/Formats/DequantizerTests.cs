using System.Runtime.InteropServices;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Tests.Formats;

/// <summary>Blocks small enough to work out by hand; the goldens hold the formats to every bit.</summary>
public sealed unsafe class DequantizerTests
{
    public static TheoryData<ElementType> Types => [.. RandomBlocks.WeightTypes];

    [Fact]
    public void Q4_0_has_the_low_nibbles_first_and_counts_from_minus_8()
    {
        byte[] block = [.. Half(0.5f), 0xF0, 0x1E, .. Repeat(0x88, 14)];

        float[] values = Decoding.ToFloats(ElementType.Q4_0, block);

        Assert.Equal([-4, 3, .. new float[14], 3.5f, -3.5f, .. new float[14]], values);
    }

    [Fact]
    public void Q4_1_adds_its_minimum()
    {
        float[] values = Decoding.ToFloats(ElementType.Q4_1, [.. Half(2), .. Half(-3), 0x10, .. Repeat(0xF2, 15)]);

        Assert.Equal([-3, .. Enumerable.Repeat(1f, 15), -1, .. Enumerable.Repeat(27f, 15)], values);
    }

    [Fact]
    public void Q5_0_takes_the_fifth_bit_of_value_j_from_bit_j()
    {
        byte[] block = [.. Half(1), 0x01, 0x00, 0x01, 0x80, 0x21, .. Repeat(0x00, 15)];

        float[] values = Decoding.ToFloats(ElementType.Q5_0, block);

        Assert.Equal([1, .. Enumerable.Repeat(-16f, 15), 2, .. Enumerable.Repeat(-16f, 14), 0], values);
    }

    [Fact]
    public void Q8_0_has_signed_bytes()
    {
        float[] values = Decoding.ToFloats(ElementType.Q8_0, [.. Half(0.25f), 0x80, 0x7F, 0xFF, .. Repeat(4, 29)]);

        Assert.Equal([-32, 31.75f, -0.25f, .. Enumerable.Repeat(1f, 29)], values);
    }

    [Fact]
    public void Q4_K_splits_its_later_scales_over_two_bytes()
    {
        byte[] block = new byte[144];
        Half(1).CopyTo(block, 0);
        Half(2).CopyTo(block, 2);
        block[4] = 0b11_000011; // scale of group 0: 3; of group 4: upper bits 11
        block[8] = 0b01_000010; // minimum of group 0: 2; of group 4: upper bits 01
        block[12] = 0b0101_1001; // group 4: minimum's lower bits 0101, scale's 1001
        block[16] = 0x0A; // value 0
        block[16 + 64] = 0x01; // value 128, the first of group 4

        float[] values = Decoding.ToFloats(ElementType.Q4_K, block);

        Assert.Equal(3 * 10 - 2 * 2, values[0]);
        Assert.Equal(-4, values[1]);
        Assert.Equal(0b111001 * 1 - 2 * 0b010101, values[128]);
        Assert.Equal(0, values[32]);
    }

    [Fact]
    public void Q6_K_puts_two_bits_above_each_nibble_and_takes_32_off()
    {
        byte[] block = new byte[210];
        block[0] = 0x5A; // values 0 and 64
        block[128] = 0b00_11_00_01; // upper bits of values 0, 32, 64, 96
        block.AsSpan(192, 16).Fill(0xFF); // every scale is -1
        Half(2).CopyTo(block, 208);

        float[] values = Decoding.ToFloats(ElementType.Q6_K, block);

        Assert.Equal(-2 * (0x1A - 32), values[0]);
        Assert.Equal(-2 * (0x35 - 32), values[64]);
        Assert.Equal(64, values[32]);
        Assert.Equal(64, values[255]);
    }

    [Theory]
    [InlineData(128, 1f)]
    [InlineData(129, 2f)]
    [InlineData(1, 5.877472e-39f)] // 2^-127, a float denormal
    [InlineData(0, 2.938736e-39f)]
    [InlineData(255, 1.7014118e38f)]
    public void MXFP4_scales_its_doubled_code_points_by_half_its_power_of_two(byte exponent, float half)
    {
        float[] values = Decoding.ToFloats(ElementType.MXFP4, [exponent, 0x91, .. Repeat(0x00, 15)]);

        Assert.Equal([half, .. new float[15], -half, .. new float[15]], values);
    }

    [Theory]
    [InlineData(0x38, 0.5f)] // e4m3 1
    [InlineData(0x3C, 0.75f)] // 1.5
    [InlineData(0x01, 1 / 1024f)] // the smallest subnormal, 2^-9
    [InlineData(0x08, 1 / 128f)] // the smallest normal, 2^-6
    [InlineData(0x7E, 224f)] // the largest, 448
    [InlineData(0x7F, 0f)]
    [InlineData(0x00, 0f)]
    public void NVFP4_has_half_an_e4m3_scale_for_every_16_values(byte scale, float half)
    {
        byte[] block = [scale, 0, 0, 0x38, 0x21, .. Repeat(0, 31)];
        block[4 + 24] = 0x1F;

        float[] values = Decoding.ToFloats(ElementType.NVFP4, block);

        Assert.Equal(half, values[0]);
        Assert.Equal(2 * half, values[8]);
        Assert.Equal(-6, values[48]);
        Assert.Equal(0.5f, values[56]);
    }

    [Fact]
    public void Q1_0_is_signs_from_the_lowest_bit_on()
    {
        float[] values = Decoding.ToFloats(ElementType.Q1_0, [.. Half(3), 0b10, .. Repeat(0xFF, 15)]);

        Assert.Equal([-3, 3, -3, -3, -3, -3, -3, -3, .. Enumerable.Repeat(3f, 120)], values);
    }

    [Fact]
    public void TQ1_0_packs_five_trits_to_a_byte()
    {
        // ggml packs trits t0..t4 as ceil((81 t0 + 27 t1 + 9 t2 + 3 t3 + t4) * 256 / 243): here 2 0 1 2 1 -> 178 -> 188.
        byte[] block = [188, .. Repeat(0, 51), .. Half(1)];

        float[] values = Decoding.ToFloats(ElementType.TQ1_0, block);

        Assert.Equal([1, -1, 0, 1, 0], new[] { values[0], values[32], values[64], values[96], values[128] });
        Assert.Equal(-1, values[255]);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Random_blocks_are_finite_not_all_alike_and_the_same_for_a_seed(ElementType type)
    {
        byte[] bytes = RandomBlocks.Make(type, rows: 3, columns: 512, seed: 5);

        float[] values = Decoding.ToFloats(type, bytes);

        Assert.Equal(3 * 512, values.Length);
        Assert.All(values, value => Assert.InRange(MathF.Abs(value), 0, 500));
        Assert.True(values.Distinct().Count() > 10);
        Assert.Equal(bytes, RandomBlocks.Make(type, rows: 3, columns: 512, seed: 5));
        Assert.NotEqual(bytes, RandomBlocks.Make(type, rows: 3, columns: 512, seed: 6));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Exactly_the_values_asked_for_are_written(ElementType type)
    {
        ElementFormat format = ElementFormat.Get(type);
        byte[] bytes = RandomBlocks.Make(type, rows: 1, columns: 3 * format.ValuesPerBlock, seed: 7);
        float[] whole = Decoding.ToFloats(type, bytes);
        int count = 2 * format.ValuesPerBlock;
        float[] values = new float[count + 1];
        values[count] = 1e30f;

        fixed (byte* source = bytes)
        fixed (float* destination = values) Dequantizer.ToFloat(type, source, destination, count);

        Decoding.AssertSameBits([.. whole[..count], 1e30f], values);
    }

    [Fact]
    public void A_count_that_is_not_whole_blocks_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Dequantizer.ToFloat(ElementType.Q4_0, null, null, 33));
        Assert.Throws<ArgumentOutOfRangeException>(() => Dequantizer.ToFloat(ElementType.Q4_0, null, null, -32));
    }

    [Theory]
    [InlineData(ElementType.I32)]
    [InlineData(ElementType.F64)]
    [InlineData(ElementType.Q8_K)]
    public void A_type_that_holds_no_weights_is_refused(ElementType type) =>
        Assert.Throws<NotSupportedException>(() => Dequantizer.ToFloat(type, null, null, 256));

    [Fact]
    public void A_number_that_is_no_type_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Dequantizer.ToFloat((ElementType)5, null, null, 256));

    private static byte[] Half(float value)
    {
        byte[] bytes = new byte[2];
        MemoryMarshal.Write(bytes, (Half)value);
        return bytes;
    }

    private static IEnumerable<byte> Repeat(byte value, int count) => Enumerable.Repeat(value, count);
}
