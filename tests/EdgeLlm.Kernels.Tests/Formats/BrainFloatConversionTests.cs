using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Tests.Formats;

public sealed unsafe class BrainFloatConversionTests
{
    private static readonly ushort[] AllPatterns = [.. Enumerable.Range(0, 65536).Select(bits => (ushort)bits)];

    private static float[] AllValues => [.. AllPatterns.Select(bits => BitConverter.UInt32BitsToSingle((uint)bits << 16))];

    [Fact]
    public void Every_pattern_is_the_upper_half_of_its_float_alone_in_vectors_and_in_a_row()
    {
        float[] eights = new float[65536];
        float[] fours = new float[65536];
        float[] row = new float[65535];
        for (int i = 0; i < 65536; i += 8) BrainFloatConversion.ToFloat(Vector128.Create(AllPatterns, i)).CopyTo(eights, i);
        for (int i = 0; i < 65536; i += 4) BrainFloatConversion.ToFloat(Vector64.Create(AllPatterns, i)).CopyTo(fours, i);
        fixed (ushort* source = AllPatterns)
        fixed (float* destination = row) BrainFloatConversion.ToFloat(source, destination, row.Length);

        Decoding.AssertSameBits(AllValues, [.. AllPatterns.Select(BrainFloatConversion.ToFloat)]);
        Decoding.AssertSameBits(AllValues, eights);
        Decoding.AssertSameBits(AllValues, fours);
        Decoding.AssertSameBits(AllValues.AsSpan(0, 65535), row);
    }

    [Theory]
    [InlineData(0x3F800000u, 0x3F80)] // 1
    [InlineData(0x3F808000u, 0x3F80)] // a tie, down to even
    [InlineData(0x3F818000u, 0x3F82)] // a tie, up to even
    [InlineData(0x3F808001u, 0x3F81)]
    [InlineData(0x3F807FFFu, 0x3F80)]
    [InlineData(0x7F7FFFFFu, 0x7F80)] // the largest float rounds to infinity
    [InlineData(0x80000001u, 0x8000)] // the smallest denormal to -0
    [InlineData(0xFF800000u, 0xFF80)]
    [InlineData(0x7F800001u, 0x7FC0)] // NaN stays NaN
    [InlineData(0xFFC54000u, 0xFFC5)]
    public void A_float_rounds_to_the_nearest_the_even_one_of_two(uint bits, int expected) =>
        Assert.Equal((ushort)expected, BrainFloatConversion.FromFloat(BitConverter.UInt32BitsToSingle(bits)));
}
