using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Tests.Formats;

/// <summary><see cref="Dequantizer"/> for arrays.</summary>
internal static unsafe class Decoding
{
    public static float[] ToFloats(ElementType type, ReadOnlySpan<byte> bytes)
    {
        ElementFormat format = ElementFormat.Get(type);
        float[] values = new float[bytes.Length / format.BytesPerBlock * format.ValuesPerBlock];
        fixed (byte* source = bytes)
        fixed (float* destination = values)
            Dequantizer.ToFloat(type, source, destination, values.Length);
        return values;
    }

    /// <summary>Fails with the first index at which two rows differ in a bit (so that 0 and -0 differ too).</summary>
    public static void AssertSameBits(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            if (BitConverter.SingleToUInt32Bits(expected[i]) != BitConverter.SingleToUInt32Bits(actual[i]))
                Assert.Fail($"value {i} is {actual[i]:R}, expected {expected[i]:R}");
        }
    }
}
