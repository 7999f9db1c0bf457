using System.Runtime.InteropServices;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Kernels.Tests.Formats;
using EdgeLlm.Kernels.X86;

namespace EdgeLlm.Kernels.Tests.X86;

/// <summary>What the AVX-VNNI kernel shares with AVX2, run where there is no AVX-VNNI: with sums of that instruction's kind.</summary>
public sealed unsafe class PackedProductsTests
{
    public static TheoryData<string> Packings() => [.. RandomPacked.Packings.Select(packing => packing.ToString())];

    [Theory]
    [MemberData(nameof(Packings))]
    public void Products_by_wide_sums_have_the_bits_of_the_scalar_kernel(string packingName)
    {
        Assert.SkipUnless(Avx2Kernel.IsSupported, "no AVX2");
        var packing = Enum.Parse<Packing>(packingName);
        const int Columns = 352;
        foreach ((int rows, int tokens) in new[] { (8, 1), (19, 1), (16, 2), (9, 7), (9, 9), (19, 14), (40, 27) })
        {
            var specification = new ScalarKernel();
            using var weights = GuardedBuffer.Of<byte>(RandomPacked.Make(packing, rows, Columns, rows));
            using var buffer = new GuardedBuffer(PackedActivations.ByteCount(tokens, Columns));
            using var input = GuardedBuffer.Of<float>(KernelTests.RandomFloats(tokens * Columns, tokens));
            using var expected = new GuardedBuffer(tokens * rows * 4L);
            using var actual = new GuardedBuffer(tokens * rows * 4L);
            var x = new PackedActivations(buffer.Start, tokens, Columns);
            for (int t = 0; t < tokens; t++) specification.QuantizePacked(input.Floats + t * Columns, x, t);
            var matrix = new WeightMatrix(weights.Start, new PackedLayout(packing, Columns), RandomPacked.Codebook, rows);
            byte* scratch =
                (byte*)NativeMemory.AlignedAlloc((nuint)PackedProducts<VnniArithmetic<EmulatedVnniDot>>.ScratchBytes(Columns), 64);
            specification.MultiplyPacked(matrix, x, tokens, expected.Floats, rows, 0, rows, scratch);
            PackedProducts<VnniArithmetic<EmulatedVnniDot>>.Multiply(matrix, x, tokens, actual.Floats, rows, 0, rows, scratch);
            NativeMemory.AlignedFree(scratch);
            KernelTests.AssertSameBits(expected.FloatSpan, actual.FloatSpan, $"{packing} [{rows}, {Columns}] x {tokens}");
        }
    }
}
