using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Arm;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Kernels.Tests.Formats;

namespace EdgeLlm.Kernels.Tests.Arm;

/// <summary>
/// What only the NEON kernels do by themselves: the quick conversion of scales, and leaving the scales it can't convert to the scalar
/// kernel.
/// </summary>
public sealed unsafe class NeonKernelTests
{
    [Fact]
    public void Every_half_is_converted_or_found_special()
    {
        Assert.SkipUnless(NeonKernel.IsSupported, "needs an Arm processor");
        float* values = stackalloc float[8];
        for (int bits = 0; bits <= ushort.MaxValue; bits++)
        {
            var converter = new HalfLanes();
            converter.ToFloat(Vector128.Create((ushort)bits)).Store(values);
            float expected = HalfConversion.ToFloat((ushort)bits);
            Assert.Equal(!float.IsFinite(expected), converter.FoundSpecial);
            if (!converter.FoundSpecial)
                Assert.Equal(BitConverter.SingleToInt32Bits(expected), BitConverter.SingleToInt32Bits(values[bits % 8]));
        }
    }

    [Theory]
    [InlineData(0x7C00)] // infinity
    [InlineData(0xFE01)] // NaN
    [InlineData(0x8000)] // -0
    [InlineData(0x0001)] // the smallest subnormal
    public void A_row_with_any_scale_has_the_bits_of_the_scalar_kernel(int scale)
    {
        Assert.SkipUnless(NeonKernel.IsSupported, "needs an Arm processor");
        const int Rows = 13, Columns = 512;
        foreach (ElementType type in RandomBlocks.WeightTypes)
        {
            if (!BlockUnpacker.CanUnpack(type)) continue;
            byte[] weights = RandomBlocks.Make(type, Rows, Columns, 3);
            int rowBytes = weights.Length / Rows, blockBytes = ElementFormat.Get(type).BytesPerBlock;
            int last = type switch { ElementType.Q6_K => 208, ElementType.Q2_K => 80, ElementType.Q3_K => 108, _ => 0 };
            MemoryMarshal.Write(weights.AsSpan(10 * rowBytes + blockBytes + last), (ushort)scale);
            foreach (Kernel kernel in Kernel.Available)
            {
                foreach (int tokens in new[] { 1, 2, 5 }) Compare(kernel, type, weights, Rows, Columns, tokens);
            }
        }
    }

    private static void Compare(Kernel kernel, ElementType type, byte[] weights, int rows, int columns, int tokens)
    {
        float[] x = KernelTests.RandomFloats(tokens * columns, 7);
        using var w = GuardedBuffer.Of<byte>(weights);
        using var quantized = new GuardedBuffer(QuantizedActivations.ByteCount(tokens, columns));
        using var expected = new GuardedBuffer(tokens * rows * 4L);
        using var actual = new GuardedBuffer(tokens * rows * 4L);
        var specification = new ScalarKernel();
        var activations = new QuantizedActivations(quantized.Start, tokens, columns);
        fixed (float* floats = x)
        {
            for (int t = 0; t < tokens; t++) specification.Quantize(floats + t * columns, activations, t);
        }
        var matrix = new WeightMatrix(w.Start, type, rows, columns);
        byte* scratch = (byte*)NativeMemory.AlignedAlloc((nuint)kernel.ScratchBytes(columns), 64);
        specification.Multiply(matrix, activations, tokens, expected.Floats, rows, 0, rows, scratch);
        kernel.Multiply(matrix, activations, tokens, actual.Floats, rows, 0, rows, scratch);
        NativeMemory.AlignedFree(scratch);
        KernelTests.AssertSameBits(expected.FloatSpan, actual.FloatSpan, $"{kernel.Name} {type} x {tokens}");
    }
}
