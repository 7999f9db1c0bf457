using System.Runtime.InteropServices;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Kernels.Tests.Formats;

namespace EdgeLlm.Kernels.Tests;

/// <summary>Every kernel that this processor has gives the bits of the scalar one, in memory that ends at a guard page.</summary>
public sealed unsafe class KernelTests
{
    private static readonly ScalarKernel Specification = new();

    /// <summary>Types that have a scalar unpacker, with the step of their widths.</summary>
    public static TheoryData<string, string> QuantizedCases()
    {
        var cases = new TheoryData<string, string>();
        foreach (Kernel kernel in Kernel.Available)
        {
            foreach (ElementType type in RandomBlocks.WeightTypes)
            {
                if (BlockUnpacker.CanUnpack(type)) cases.Add(kernel.Name, type.ToString());
            }
        }
        return cases;
    }

    public static TheoryData<string> KernelNames() => [.. Kernel.Available.Select(kernel => kernel.Name)];

    [Theory]
    [MemberData(nameof(QuantizedCases))]
    public void Quantized_products_have_the_bits_of_the_scalar_kernel(string kernelName, string typeName)
    {
        Kernel kernel = Kernel.Choose(kernelName);
        var type = Enum.Parse<ElementType>(typeName);
        int step = ElementFormat.Get(type).ValuesPerBlock;
        int[] widths = step > 32 ? [step, 3 * step] : [32, 64, 96, 160, 576];
        foreach (int columns in widths)
        {
            foreach ((int rows, int tokens) in new[] { (1, 1), (7, 1), (8, 1), (9, 2), (16, 3), (19, 4), (33, 5),
                (40, 8), (24, 17), (11, 33) })
                CompareQuantized(kernel, type, rows, columns, tokens, 0, rows);
        }
        CompareQuantized(kernel, type, 29, widths[1], 3, 5, 22);
        CompareQuantized(kernel, type, 29, widths[1], 1, 3, 28);
    }

    [Theory]
    [MemberData(nameof(QuantizedCases))]
    public void Sums_at_their_extremes_are_exact(string kernelName, string typeName)
    {
        Kernel kernel = Kernel.Choose(kernelName);
        var type = Enum.Parse<ElementType>(typeName);
        int columns = Math.Max(64, ElementFormat.Get(type).ValuesPerBlock);
        foreach (byte fill in new byte[] { 0x00, 0xFF, 0x80, 0x7F, 0x88, 0x0F, 0xF0 })
        {
            byte[] extreme = RandomBlocks.Make(type, 9, columns, 1, fill);
            foreach (float sign in new[] { 1f, -1f })
            {
                float[] x = [.. Enumerable.Range(0, columns * 4).Select(j => j / columns % 2 == 0 ? sign : j % 2 == 0 ? sign : -sign)];
                Compare(kernel, type, extreme, x, 9, columns, 4, 0, 9);
            }
        }
    }

    [Theory]
    [MemberData(nameof(KernelNames))]
    public void Float_products_have_the_bits_of_the_scalar_kernel(string kernelName)
    {
        Kernel kernel = Kernel.Choose(kernelName);
        foreach (ElementType type in new[] { ElementType.F32, ElementType.F16, ElementType.BF16 })
        {
            foreach (int columns in Enumerable.Range(1, 70).Append(172).Append(576))
            {
                int tokens = columns % 7 + 1, rows = columns % 5 + 1;
                byte[] weights = RandomBlocks.Make(type, rows, columns, columns);
                float[] x = RandomFloats(tokens * columns, columns);
                using var w = GuardedBuffer.Of<byte>(weights);
                using var input = GuardedBuffer.Of<float>(x);
                using var expected = new GuardedBuffer(tokens * rows * 4L);
                using var actual = new GuardedBuffer(tokens * rows * 4L);
                var matrix = new WeightMatrix(w.Start, type, rows, columns);
                Run(Specification, columns,
                    scratch =>
                        Specification.Multiply(matrix, input.Floats, columns, tokens, expected.Floats, rows, 0, rows, (byte*)scratch));
                Run(kernel, columns,
                    scratch => kernel.Multiply(matrix, input.Floats, columns, tokens, actual.Floats, rows, 0, rows, (byte*)scratch));
                AssertSameBits(expected.FloatSpan, actual.FloatSpan, $"{type} [{rows}, {columns}] x {tokens}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(KernelNames))]
    public void Elementwise_operations_have_the_bits_of_the_scalar_kernel_at_every_length(string kernelName)
    {
        Kernel kernel = Kernel.Choose(kernelName);
        for (int count = 1; count <= 130; count++)
        {
            float[] x = RandomFloats(count, count), weight = RandomFloats(count, count + 1000);
            if (count > 3) x[count / 2] = 95f;
            if (count > 5) x[count / 3] = -120f;
            Action<Kernel, nint, nint, nint>[] operations =
            [
                (k, a, b, c) => Assert.True(k.RmsNorm((float*)a, (float*)b, (float*)c, count, 1e-5f)),
                (k, a, b, _) => k.Add((float*)a, (float*)b, count),
                (k, a, b, _) => k.SiluMultiply((float*)a, (float*)b, count),
                (k, a, _, _) => k.Cap((float*)a, 2.5f, count),
                (k, a, _, _) => k.Clamp((float*)a, 0.75f, count),
                (k, a, _, _) => k.Multiply((float*)a, 0.3f, count),
                .. Enum.GetValues<Activation>().Select(activation =>
                    (Action<Kernel, nint, nint, nint>)((k, a, _, _) => k.Activate(activation, (float*)a, null, count))),
                .. Enum.GetValues<Activation>().Select(activation =>
                    (Action<Kernel, nint, nint, nint>)((k, a, b, _) => k.Activate(activation, (float*)a, (float*)b, count))),
            ];
            foreach ((int place, Action<Kernel, nint, nint, nint> operation) in operations.Index())
            {
                using GuardedBuffer a1 = GuardedBuffer.Of<float>(x), b1 = GuardedBuffer.Of<float>(weight), c1 = new(count * 4L);
                using GuardedBuffer a2 = GuardedBuffer.Of<float>(x), b2 = GuardedBuffer.Of<float>(weight), c2 = new(count * 4L);
                operation(Specification, (nint)a1.Start, (nint)b1.Start, (nint)c1.Start);
                operation(kernel, (nint)a2.Start, (nint)b2.Start, (nint)c2.Start);
                AssertSameBits(a1.FloatSpan, a2.FloatSpan, $"operation {place} of the list, {count} numbers");
                AssertSameBits(c1.FloatSpan, c2.FloatSpan, $"operation {place} of the list, {count} numbers");
            }
        }
    }

    [Theory]
    [MemberData(nameof(KernelNames))]
    public void A_norm_of_what_is_not_finite_says_so(string kernelName)
    {
        float[] x = RandomFloats(64, 1), y = new float[64];
        foreach (float bad in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
        {
            x[37] = bad;
            fixed (float* a = x, b = y) Assert.False(Kernel.Choose(kernelName).RmsNorm(a, a, b, 64, 1e-5f));
        }
    }

    [Theory]
    [MemberData(nameof(KernelNames))]
    public void Activations_are_quantized_as_by_the_scalar_kernel(string kernelName)
    {
        Kernel kernel = Kernel.Choose(kernelName);
        const int Columns = 320;
        float[] x = RandomFloats(Columns, 5);
        x.AsSpan(32, 32).Clear();
        x.AsSpan(64, 32).Fill(1e-35f);
        x[100] = float.NaN;
        x[140] = float.PositiveInfinity;
        for (int j = 0; j < 32; j++) x[160 + j] = (j - 16) * 0.5f; // ties
        x[160] = 127f;
        using var input = GuardedBuffer.Of<float>(x);
        using var expected = new GuardedBuffer(QuantizedActivations.ByteCount(2, Columns));
        using var actual = new GuardedBuffer(QuantizedActivations.ByteCount(2, Columns));
        for (int t = 0; t < 2; t++)
        {
            Specification.Quantize(input.Floats, new QuantizedActivations(expected.Start, 2, Columns), t);
            kernel.Quantize(input.Floats, new QuantizedActivations(actual.Start, 2, Columns), t);
        }
        Assert.Equal(expected.Span.ToArray(), actual.Span.ToArray());
    }

    internal static float[] RandomFloats(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 2 - 1) * Math.Pow(2, random.Next(-6, 3))))];
    }

    internal static void AssertSameBits(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string what)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            if (BitConverter.SingleToInt32Bits(expected[i]) != BitConverter.SingleToInt32Bits(actual[i]))
                Assert.Fail($"{what}: element {i} is {actual[i]:R}, the scalar kernel gives {expected[i]:R}");
        }
    }

    private static void CompareQuantized(Kernel kernel, ElementType type, int rows, int columns, int tokens, int firstRow, int endRow) =>
        Compare(kernel, type, RandomBlocks.Make(type, rows, columns, rows + columns), RandomFloats(tokens * columns, tokens), rows, columns,
            tokens, firstRow, endRow);

    private static void Compare(Kernel kernel, ElementType type, byte[] weights, float[] x, int rows, int columns, int tokens,
        int firstRow, int endRow)
    {
        using var w = GuardedBuffer.Of<byte>(weights);
        using var quantized = new GuardedBuffer(QuantizedActivations.ByteCount(tokens, columns));
        using var expected = new GuardedBuffer(tokens * rows * 4L);
        using var actual = new GuardedBuffer(tokens * rows * 4L);
        var activations = new QuantizedActivations(quantized.Start, tokens, columns);
        fixed (float* floats = x)
        {
            for (int t = 0; t < tokens; t++) Specification.Quantize(floats + t * columns, activations, t);
        }
        var matrix = new WeightMatrix(w.Start, type, rows, columns);
        Run(Specification, columns,
            scratch => Specification.Multiply(matrix, activations, tokens, expected.Floats, rows, firstRow, endRow, (byte*)scratch));
        Run(kernel, columns,
            scratch => kernel.Multiply(matrix, activations, tokens, actual.Floats, rows, firstRow, endRow, (byte*)scratch));
        AssertSameBits(expected.FloatSpan, actual.FloatSpan, $"{type} [{rows}, {columns}] x {tokens}, rows {firstRow} to {endRow}");
    }

    private static void Run(Kernel kernel, int columns, Action<nint> operation)
    {
        void* scratch = NativeMemory.AlignedAlloc((nuint)kernel.ScratchBytes(columns), 64);
        operation((nint)scratch);
        NativeMemory.AlignedFree(scratch);
    }
}
