using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Tests.Formats;

public sealed unsafe class HalfConversionTests
{
    private static readonly ushort[] AllPatterns = [.. Enumerable.Range(0, 65536).Select(bits => (ushort)bits)];

    private static float[] AllValues => [.. AllPatterns.Select(bits => (float)BitConverter.UInt16BitsToHalf(bits))];

    [Fact]
    public void Every_half_has_the_value_and_bits_that_the_platform_gives_it() =>
        Decoding.AssertSameBits(AllValues, [.. AllPatterns.Select(HalfConversion.ToFloat)]);

    [Fact]
    public void Vectors_of_eight_give_every_half_the_same_bits()
    {
        float[] actual = new float[65536];
        for (int i = 0; i < 65536; i += 8) HalfConversion.ToFloat(Vector128.Create(AllPatterns, i)).CopyTo(actual, i);

        Decoding.AssertSameBits(AllValues, actual);
    }

    [Fact]
    public void Vectors_of_four_give_every_half_the_same_bits()
    {
        float[] actual = new float[65536];
        for (int i = 0; i < 65536; i += 4) HalfConversion.ToFloat(Vector64.Create(AllPatterns, i)).CopyTo(actual, i);

        Decoding.AssertSameBits(AllValues, actual);
    }

    [Fact]
    public void Every_float_that_is_a_half_comes_back_as_its_pattern()
    {
        float[] values = AllValues;

        Assert.Equal(AllPatterns.Where(IsNumber), values.Where(value => !float.IsNaN(value)).Select(HalfConversion.FromFloat));
    }

    [Fact]
    public void Floats_beside_halfs_and_beside_the_middles_between_them_round_as_the_platform_rounds() =>
        AssertRoundsAsThePlatform(EdgeCases());

    [Fact]
    public void Any_bit_pattern_of_a_float_rounds_as_the_platform_rounds()
    {
        var random = new Random(1);
        float[] values = [.. Enumerable.Range(0, 1 << 20).Select(_ => BitConverter.Int32BitsToSingle((int)random.NextInt64(1L << 32)))];

        AssertRoundsAsThePlatform(values);
    }

    [Theory]
    [InlineData(0x7F800001u)] // a payload that lies below the bits of a half must not become infinity
    [InlineData(0x7FC00000u)]
    [InlineData(0x7FFFFFFFu)]
    [InlineData(0x7FA02000u)]
    [InlineData(0xFF800001u)]
    [InlineData(0xFFC54000u)]
    public void A_NaN_stays_a_quiet_NaN_with_its_sign_and_upper_payload(uint bits)
    {
        ushort half = HalfConversion.FromFloat(BitConverter.UInt32BitsToSingle(bits));

        Assert.Equal((bits >> 16 & 0x8000) | 0x7E00 | (bits >> 13 & 0x3FF), half);
    }

    [Theory]
    [MemberData(nameof(RowLengths))]
    public void A_row_of_any_length_is_converted_and_nothing_behind_it_written(int count)
    {
        ushort[] halfs = AllPatterns[(0x3C00 - count)..0x3C00];
        float[] floats = new float[count + 1];
        ushort[] again = new ushort[count + 1];
        floats[count] = 7;
        again[count] = 7;

        fixed (ushort* source = halfs, back = again)
        fixed (float* middle = floats)
        {
            HalfConversion.ToFloat(source, middle, count);
            HalfConversion.FromFloat(middle, back, count);
        }

        Decoding.AssertSameBits([.. halfs.Select(bits => (float)BitConverter.UInt16BitsToHalf(bits)), 7], floats);
        Assert.Equal([.. halfs, 7], again);
    }

    public static TheoryData<int> RowLengths => [.. Enumerable.Range(0, 36)];

    private static bool IsNumber(ushort bits) => (bits & 0x7FFF) <= 0x7C00;

    private static float[] EdgeCases()
    {
        var values = new List<float> { 0, float.Epsilon, float.MaxValue, float.PositiveInfinity };
        for (ushort bits = 0; bits < 0x7C00; bits++)
        {
            double half = (double)BitConverter.UInt16BitsToHalf(bits);
            double next = bits == 0x7BFF ? 65536 : (double)BitConverter.UInt16BitsToHalf((ushort)(bits + 1));
            float middle = (float)((half + next) / 2); // exact: one bit more than a half has
            values.AddRange([(float)half, MathF.BitIncrement((float)half), MathF.BitDecrement(middle), middle, MathF.BitIncrement(middle)]);
        }
        return [.. values, .. values.Select(value => -value)];
    }

    /// <summary>One by one, and as a row (whose length is no multiple of a vector).</summary>
    private static void AssertRoundsAsThePlatform(float[] values)
    {
        ushort[] row = new ushort[values.Length];
        fixed (float* source = values)
        fixed (ushort* destination = row) HalfConversion.FromFloat(source, destination, values.Length);
        for (int i = 0; i < values.Length; i++)
        {
            ushort expected = BitConverter.HalfToUInt16Bits((Half)values[i]);
            if (expected != HalfConversion.FromFloat(values[i]) || expected != row[i])
                Assert.Fail($"{values[i]:R} became {HalfConversion.FromFloat(values[i]):X4}, in a row {row[i]:X4}, expected {expected:X4}");
        }
    }
}
