using System.Runtime.InteropServices;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Kernels.Tests.Formats;
using EdgeLlm.Kernels.X86;

namespace EdgeLlm.Kernels.Tests.X86;

/// <summary>What the AVX-VNNI kernel shares with AVX2, run where there is no AVX-VNNI: with sums of that instruction's kind.</summary>
public sealed unsafe class IntegerProductsTests
{
    public static TheoryData<string> Types() =>
        [.. RandomBlocks.WeightTypes.Where(BlockUnpacker.CanUnpack).Select(type => type.ToString())];

    [Theory]
    [MemberData(nameof(Types))]
    public void Products_by_wide_sums_have_the_bits_of_the_scalar_kernel(string typeName)
    {
        Assert.SkipUnless(Avx2Kernel.IsSupported, "no AVX2");
        var type = Enum.Parse<ElementType>(typeName);
        int columns = 3 * ElementFormat.Get(type).ValuesPerBlock;
        foreach ((int rows, int tokens) in new[] { (8, 1), (19, 1), (16, 2), (9, 7) })
        {
            var specification = new ScalarKernel();
            using var weights = GuardedBuffer.Of<byte>(RandomBlocks.Make(type, rows, columns, rows));
            using var quantized = new GuardedBuffer(QuantizedActivations.ByteCount(tokens, columns));
            using var input = GuardedBuffer.Of<float>(KernelTests.RandomFloats(tokens * columns, tokens));
            using var expected = new GuardedBuffer(tokens * rows * 4L);
            using var actual = new GuardedBuffer(tokens * rows * 4L);
            var x = new QuantizedActivations(quantized.Start, tokens, columns);
            for (int t = 0; t < tokens; t++) specification.Quantize(input.Floats + t * columns, x, t);
            var matrix = new WeightMatrix(weights.Start, type, rows, columns);
            byte* scratch = (byte*)NativeMemory.AlignedAlloc((nuint)IntegerProducts<EmulatedVnniDot>.ScratchBytes(columns), 64);
            specification.Multiply(matrix, x, tokens, expected.Floats, rows, 0, rows, scratch);
            IntegerProducts<EmulatedVnniDot>.Multiply(matrix, x, tokens, actual.Floats, rows, 0, rows, scratch);
            NativeMemory.AlignedFree(scratch);
            KernelTests.AssertSameBits(expected.FloatSpan, actual.FloatSpan, $"{type} [{rows}, {columns}] x {tokens}");
        }
    }
}
