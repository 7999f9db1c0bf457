using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Tests.Formats;

/// <summary>What kernels build on; golden blocks hold the codes and scales to llama.cpp's, by way of <see cref="Dequantizer"/>.</summary>
public sealed unsafe class BlockUnpackerTests
{
    public static TheoryData<ElementType> Types => [.. RandomBlocks.WeightTypes.Where(BlockUnpacker.CanUnpack)];

    [Fact]
    public void Every_weight_type_but_floats_can_be_unpacked() => Assert.Equal(
        RandomBlocks.WeightTypes.Except([ElementType.F32, ElementType.F16, ElementType.BF16]),
        Enum.GetValues<ElementType>().Where(BlockUnpacker.CanUnpack));

    [Fact]
    public void Other_types_are_refused()
    {
        foreach (ElementType type in Enum.GetValues<ElementType>().Where(type => !BlockUnpacker.CanUnpack(type)))
            Assert.Throws<NotSupportedException>(() => BlockUnpacker.Unpack(type, null, 0, null, null, null));
    }

    /// <summary>To the bit, in any order of groups, from memory that ends at a guard page, into exactly 32 codes and two scales.</summary>
    [Theory]
    [MemberData(nameof(Types))]
    public void A_weight_is_its_code_times_the_scale_plus_the_offset(ElementType type)
    {
        const int Columns = 1024;
        const float Unwritten = 12345;
        byte[] row = RandomBlocks.Make(type, rows: 1, Columns, seed: 9);
        float[] expected = Decoding.ToFloats(type, row);
        using var guarded = GuardedBuffer.Of<byte>(row);
        using var q = new GuardedBuffer(32);
        using var scales = new GuardedBuffer(2 * sizeof(float));
        using var offsets = new GuardedBuffer(2 * sizeof(float));
        bool hasOffset = BlockUnpacker.HasOffset(type), per16 = BlockUnpacker.HasScalePer16(type);
        float[] actual = new float[Columns];
        bool halvesDiffer = false;

        for (int group = Columns / 32 - 1; group >= 0; group--)
        {
            offsets.FloatSpan.Fill(Unwritten);
            BlockUnpacker.Unpack(type, guarded.Start, group, (sbyte*)q.Start, scales.Floats, offsets.Floats);

            if (!hasOffset) Assert.Equal([Unwritten, Unwritten], offsets.FloatSpan.ToArray());
            halvesDiffer |= scales.Floats[0] != scales.Floats[1];
            for (int j = 0; j < 32; j++)
            {
                int half = per16 ? j / 16 : 0;
                float product = scales.Floats[half] * ((sbyte*)q.Start)[j];
                actual[32 * group + j] = hasOffset ? product + offsets.Floats[half] : product;
            }
        }

        Decoding.AssertSameBits(expected, actual);
        Assert.Equal(per16, halvesDiffer);
    }
}
