using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Kernels.Tests.Formats;

namespace EdgeLlm.Kernels.Tests;

/// <summary>
/// Packed weights: the scalar kernel does what docs/quantization.md says, and every other kernel gives its bits, in memory that ends at a
/// guard page.
/// </summary>
public sealed unsafe class PackedKernelTests
{
    private static readonly ScalarKernel Specification = new();

    public static TheoryData<string, string> Cases()
    {
        var cases = new TheoryData<string, string>();
        foreach (Kernel kernel in Kernel.Available)
        {
            foreach (Packing packing in RandomPacked.Packings) cases.Add(kernel.Name, packing.ToString());
        }
        return cases;
    }

    public static TheoryData<string> Packings() => [.. RandomPacked.Packings.Select(packing => packing.ToString())];

    public static TheoryData<string> KernelNames() => [.. Kernel.Available.Select(kernel => kernel.Name)];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Products_have_the_bits_of_the_scalar_kernel(string kernelName, string packingName)
    {
        Kernel kernel = Kernel.Choose(kernelName);
        var packing = Enum.Parse<Packing>(packingName);
        for (int columns = 32; columns <= 608; columns += 32)
        {
            for (int tokens = 1; tokens <= 17; tokens++)
                Compare(kernel, packing, 1 + (columns / 32 + 5 * tokens) % 27, columns, tokens, 0, null);
        }
        Compare(kernel, packing, 90, 96, 3, 8, 72);
        Compare(kernel, packing, 90, 96, 1, 16, null);
        Compare(kernel, packing, 90, 96, 33, 80, null);
        Compare(kernel, packing, 40, 9216, 2, 0, null); // wider than a panel of all rows
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Sums_at_the_bound_of_int32_are_exact(string kernelName, string packingName)
    {
        const int Columns = 544;
        Kernel kernel = Kernel.Choose(kernelName);
        var packing = Enum.Parse<Packing>(packingName);
        var layout = new PackedLayout(packing, Columns);
        var half = Vector128.Create((sbyte)-63, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 63);
        var codebook = Vector256.Create(half, half);
        foreach ((bool negative, int tokens) in new[] { (false, 1), (true, 1), (false, 5), (true, 2) })
        {
            byte[] bytes = RandomPacked.Make(packing, 16, Columns, 1);
            for (int start = 0; start < bytes.Length; start += (int)layout.GroupBytes)
            {
                MemoryMarshal.Cast<byte, float>(bytes.AsSpan(start, 32)).Fill(1);
                bytes.AsSpan(start + 32, (int)layout.CodeOffset - 32).Fill((byte)layout.SubScaleLimit);
                bytes.AsSpan(start + (int)layout.CodeOffset, (int)(layout.GroupBytes - layout.CodeOffset))
                    .Fill((byte)(layout.HasCodebook ? negative ? 0 : 255 : negative ? -127 : 127));
            }
            using var weights = GuardedBuffer.Of<byte>(bytes);
            using var buffer = new GuardedBuffer(PackedActivations.ByteCount(tokens, Columns));
            using var y = new GuardedBuffer(16 * tokens * 4);
            var x = new PackedActivations(buffer.Start, tokens, Columns);
            new Span<sbyte>(x.Values, tokens * Columns).Fill(127);
            new Span<int>(x.Shifts, tokens * x.Blocks).Fill(3);
            new Span<int>(x.Sums, tokens * 2 * x.Blocks).Fill(16 * 127);
            new Span<float>(x.Scales, tokens * x.ScaleCount).Fill(1);
            var matrix = new WeightMatrix(weights.Start, layout, codebook, 16);
            Run(kernel, Columns, scratch => kernel.MultiplyPacked(matrix, x, tokens, y.Floats, 16, 0, 16, (byte*)scratch));
            const float Block = 2_081_028_096, Tail = 32L * 63 * 127 * 127 * 8; // 32 * 63 * 127 * 127 * 8 * 8 < 2^31
            foreach (float value in y.FloatSpan) Assert.Equal(negative ? -(Block + Block + Tail) : Block + Block + Tail, value);
        }
    }

    /// <summary>
    /// Kernels add up 2, 4 or 8 products in 16 bits, as many as weights allow. Magnitudes of each 4 columns below 16, 32, 64 or 128 and a
    /// weight that lies just within or beyond such a bound meet activations of +-127.
    /// </summary>
    [Theory]
    [MemberData(nameof(KernelNames))]
    public void Bytes_have_exact_sums_whatever_their_size(string kernelName)
    {
        const int Columns = 288, Rows = 21;
        Kernel kernel = Kernel.Choose(kernelName);
        var layout = new PackedLayout(Packing.E8Group32, Columns);
        var random = new Random(5);
        foreach (int tokens in new[] { 1, 2, 7, 9, 64, 67 })
        {
            for (int round = 0; round < 12; round++)
            {
                byte[] bytes = RandomPacked.Make(Packing.E8Group32, Rows, Columns, round);
                for (int start = 0; start < bytes.Length; start += (int)layout.GroupBytes)
                {
                    Span<sbyte> codes = MemoryMarshal.Cast<byte, sbyte>(bytes.AsSpan(start + (int)layout.CodeOffset));
                    for (int column = 0; column < Columns; column++)
                    {
                        int most = round < 4 ? 32 : 16 << (round + column / 32) % 4;
                        for (int row = 0; row < 8; row++)
                        {
                            int value = round % 2 == 0 ? random.Next(-most + 1, most) : most - random.Next(2) - (most == 128 ? 1 : 0);
                            if (round == 3 && column % 32 == 9) value = 35; // seven times 32 and this one: 258 or 259
                            codes[column / 4 * 32 + row * 4 + column % 4] = (sbyte)(round > 8 ? -value : value);
                        }
                    }
                }
                using var weights = GuardedBuffer.Of<byte>(bytes);
                using var buffer = new GuardedBuffer(PackedActivations.ByteCount(tokens, Columns));
                using GuardedBuffer expected = new(Rows * tokens * 4), actual = new(Rows * tokens * 4);
                var x = new PackedActivations(buffer.Start, tokens, Columns);
                for (int i = 0; i < tokens * Columns; i++)
                    x.Values[i] = (sbyte)(round % 3 == 0 ? 127 : round % 3 == 1 ? -127 : random.Next(-127, 128));
                for (int i = 0; i < tokens * x.Blocks; i++)
                {
                    x.Shifts[i] = random.Next(4);
                    for (int half = 0; half < 2; half++)
                        x.Sums[2 * i + half] =
                            new ReadOnlySpan<sbyte>(x.Values + 32 * i + 16 * half, 16).ToArray().Sum(value => (int)value);
                }
                new Span<float>(x.Scales, tokens * x.ScaleCount).Fill(1f / 64);
                var matrix = new WeightMatrix(weights.Start, layout, default, Rows);
                Specification.MultiplyPacked(matrix, x, tokens, expected.Floats, Rows, 0, Rows, null);
                Run(kernel, Columns, scratch => kernel.MultiplyPacked(matrix, x, tokens, actual.Floats, Rows, 0, Rows, (byte*)scratch));
                KernelTests.AssertSameBits(expected.FloatSpan, actual.FloatSpan, $"round {round}, {tokens} tokens");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Packings))]
    public void The_scalar_kernel_multiplies_the_weights_that_the_layout_means(string packingName)
    {
        var packing = Enum.Parse<Packing>(packingName);
        const int Rows = 13, Columns = 352;
        using var data = GuardedBuffer.Of<byte>(RandomPacked.Make(packing, Rows, Columns, 7));
        var matrix = new WeightMatrix(data.Start, new PackedLayout(packing, Columns), RandomPacked.Codebook, Rows);
        using var buffer = new GuardedBuffer(PackedActivations.ByteCount(1, Columns));
        var activations = new PackedActivations(buffer.Start, 1, Columns);
        float[] row = new float[Columns], y = new float[Rows];
        fixed (float* x = KernelTests.RandomFloats(Columns, 3), output = y, weights = row)
        {
            Specification.QuantizePacked(x, activations, 0);
            Specification.MultiplyPacked(matrix, activations, 1, output, Rows, 0, Rows, null);
            for (int r = 0; r < Rows; r++)
            {
                matrix.RowToFloat(r, weights);
                double exact = 0, magnitude = 0;
                for (int c = 0; c < Columns; c++)
                {
                    Assert.Equal(Weight(data.Start, packing, r, c), row[c]);
                    double value = (double)activations.Scales[c / 256] * (1 << activations.Shifts[c / 32]) * activations.Values[c];
                    exact += row[c] * value;
                    magnitude += Math.Abs(row[c] * value);
                }
                Assert.InRange(y[r], exact - 1e-6 * magnitude, exact + 1e-6 * magnitude);
            }
        }
    }

    [Theory]
    [MemberData(nameof(KernelNames))]
    public void A_long_prompt_has_the_bits_of_the_scalar_kernel(string kernelName)
    {
        foreach (Packing packing in RandomPacked.Packings) Compare(Kernel.Choose(kernelName), packing, 16, 320, 517, 0, null);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Scratch_has_room_for_a_prompt_of_many_columns(string kernelName, string packingName) =>
        Compare(Kernel.Choose(kernelName), Enum.Parse<Packing>(packingName), 136, 2048, 9, 0, null);

    [Fact]
    public void Activations_have_the_smallest_multiplier_that_holds_them()
    {
        const int Columns = 608;
        float[] x = KernelTests.RandomFloats(Columns, 11);
        for (int c = 0; c < Columns; c++) x[c] *= MathF.ScaleB(1, -(c / 32 % 5));
        using var buffer = new GuardedBuffer(PackedActivations.ByteCount(1, Columns));
        var q = new PackedActivations(buffer.Start, 1, Columns);
        fixed (float* start = x) Specification.QuantizePacked(start, q, 0);
        var shifts = new HashSet<int>();
        for (int b = 0; b < q.Blocks; b++)
        {
            float scale = q.Scales[b / 8], largest = x.Skip(32 * b).Take(32).Max(MathF.Abs);
            Assert.Equal(x.Skip(b / 8 * 256).Take(256).Max(MathF.Abs) / 1016f, scale);
            int shift = q.Shifts[b];
            shifts.Add(shift);
            Assert.True(shift == 3 || largest <= 127f * (1 << shift) * scale);
            Assert.True(shift == 0 || largest > 127f * (1 << (shift - 1)) * scale);
            for (int c = 32 * b; c < 32 * b + 32; c++)
                Assert.InRange(q.Values[c] * (double)scale * (1 << shift), x[c] - scale * (1 << shift) * 0.5001,
                    x[c] + scale * (1 << shift) * 0.5001);
            for (int half = 0; half < 2; half++)
                Assert.Equal(Enumerable.Range(32 * b + 16 * half, 16).Sum(c => q.Values[c]), q.Sums[2 * b + half]);
        }
        Assert.Equal(4, shifts.Count);
    }

    [Theory]
    [MemberData(nameof(KernelNames))]
    public void Activations_are_quantized_as_by_the_scalar_kernel(string kernelName)
    {
        QuantizeAsScalar(kernelName, isRotated: false);
        QuantizeAsScalar(kernelName, isRotated: true);
    }

    [Fact]
    public void Rotated_weights_times_rotated_activations_are_the_product()
    {
        const int Columns = 96;
        float[] w = KernelTests.RandomFloats(Columns, 5), x = KernelTests.RandomFloats(Columns, 6), rotated = [.. x], stored = [.. w];
        Rotation.Apply(rotated);
        Rotation.Store(stored);
        for (int c = 0; c < Columns; c++)
        {
            double sum = 0; // the definition: entries (-1)^(ones in r & c)
            for (int r = 0; r < 32; r++) sum += (int.PopCount(r & c % 32) % 2 == 0 ? 1 : -1) * (double)x[c / 32 * 32 + r];
            Assert.Equal(sum, rotated[c], 1e-4);
        }
        double expected = 0, actual = 0;
        for (int c = 0; c < Columns; c++) (expected, actual) = (expected + (double)w[c] * x[c], actual + (double)stored[c] * rotated[c]);
        Assert.Equal(expected, actual, 1e-4);
        Rotation.Apply(stored);
        for (int c = 0; c < Columns; c++) Assert.Equal(w[c], stored[c], 1e-5);
    }

    [Theory]
    [MemberData(nameof(Packings))]
    public void A_row_of_a_rotated_matrix_comes_back_as_it_was(string packingName)
    {
        const int Rows = 9, Columns = 352;
        var layout = new PackedLayout(Enum.Parse<Packing>(packingName), Columns);
        using var data = GuardedBuffer.Of<byte>(RandomPacked.Make(layout.Packing, Rows, Columns, 8));
        float[] stored = new float[Columns], row = new float[Columns];
        for (int r = 0; r < Rows; r++)
        {
            fixed (float* a = stored, b = row)
            {
                new WeightMatrix(data.Start, layout, RandomPacked.Codebook, Rows).RowToFloat(r, a);
                new WeightMatrix(data.Start, layout with { IsRotated = true }, RandomPacked.Codebook, Rows).RowToFloat(r, b);
            }
            Rotation.Apply(stored);
            Assert.Equal(stored, row);
        }
    }

    private static void QuantizeAsScalar(string kernelName, bool isRotated)
    {
        Kernel kernel = Kernel.Choose(kernelName);
        for (int columns = 32; columns <= 1632; columns += columns < 608 ? 32 : 1024)
        {
            float[] x = KernelTests.RandomFloats(columns, columns);
            for (int c = 0; c < columns; c++) x[c] *= MathF.ScaleB(1, -(c / 32 % 5));
            for (int c = 0; c < 32; c++) x[c] = (c - 16) * 0.5f; // ties
            x[16] = 127f;
            if (columns > 256) x.AsSpan(256, Math.Min(256, columns - 256)).Clear();
            if (columns > 1024)
            {
                x[513] = float.NaN;
                x[800] = float.NegativeInfinity;
                x.AsSpan(1024, 256).Fill(1e-32f);
                x[1400] = float.MaxValue;
            }
            using var input = GuardedBuffer.Of<float>(x);
            using var expected = new GuardedBuffer(PackedActivations.ByteCount(2, columns));
            using var actual = new GuardedBuffer(PackedActivations.ByteCount(2, columns));
            for (int t = 0; t < 2; t++)
            {
                Specification.QuantizePacked(input.Floats, new PackedActivations(expected.Start, 2, columns) { IsRotated = isRotated }, t);
                kernel.QuantizePacked(input.Floats, new PackedActivations(actual.Start, 2, columns) { IsRotated = isRotated }, t);
            }
            Assert.Equal(expected.Span.ToArray(), actual.Span.ToArray());
        }
    }

    [Fact]
    public void What_is_not_finite_or_tiny_has_no_values()
    {
        float[] x = new float[1024];
        x.AsSpan(0, 256).Fill(1);
        x[3] = float.NaN;
        x.AsSpan(256, 256).Fill(1);
        x[511] = float.PositiveInfinity;
        x.AsSpan(512, 256).Fill(1e-35f);
        using var buffer = new GuardedBuffer(PackedActivations.ByteCount(1, x.Length));
        var q = new PackedActivations(buffer.Start, 1, x.Length);
        fixed (float* start = x) Specification.QuantizePacked(start, q, 0);
        Assert.Equal([float.NaN, float.NaN, 0f, 0f], new Span<float>(q.Scales, 4).ToArray());
        Assert.All(new Span<sbyte>(q.Values, x.Length).ToArray(), value => Assert.Equal(0, value));
        Assert.All(new Span<int>(q.Shifts, q.Blocks).ToArray(), shift => Assert.Equal(0, shift));
    }

    /// <summary>A weight as docs/quantization.md words it, straight from the bytes.</summary>
    private static float Weight(byte* data, Packing packing, int row, int column)
    {
        const int Columns = 352;
        int g = packing == Packing.E4Group16 ? 16 : 32, subScaleBytes = Columns / g * 8;
        int codes = (32 + subScaleBytes + 63) / 64 * 64,
            blockBytes = packing switch { Packing.E8Group32 => 256, Packing.E5Group32 => 160, Packing.E3Group32 => 96, _ => 128 };
        byte* group = data + row / 8 * ((codes + Columns / 32 * blockBytes + 63) / 64 * 64);
        float rowScale = ((float*)group)[row % 8];
        var subScale = (sbyte)group[32 + column / g * 8 + row % 8];
        int k = column % 32, l = k % 16 / 4, i = k % 4;
        byte* block = group + codes + column / 32 * blockBytes;
        if (packing == Packing.E8Group32) return rowScale * (subScale * (sbyte)block[k / 4 * 32 + row % 8 * 4 + i]);
        int place = row % 8 * 4 + i;
        if (packing == Packing.E3Group32)
        {
            int ring = block[place] | block[32 + place] << 8 | block[64 + place] << 16, window = 0;
            for (int bit = 0; bit < 4; bit++) window |= (ring >> (3 * (k / 4) + bit) % 24 & 1) << bit;
            return rowScale * (subScale * RandomPacked.Codebook.GetElement(window));
        }
        int code = block[l * 32 + row % 8 * 4 + i] >> (k < 16 ? 0 : 4) & 15;
        if (packing == Packing.E5Group32) code |= (block[128 + place] >> k / 4 & 1) << 4;
        return rowScale * (subScale * RandomPacked.Codebook.GetElement(code));
    }

    private static void Compare(Kernel kernel, Packing packing, int rows, int columns, int tokens, int firstRow, int? end)
    {
        int endRow = end ?? rows;
        using var w = GuardedBuffer.Of<byte>(RandomPacked.Make(packing, rows, columns, rows + columns));
        using var buffer = new GuardedBuffer(PackedActivations.ByteCount(tokens, columns));
        using var expected = new GuardedBuffer(tokens * rows * 4L);
        using var actual = new GuardedBuffer(tokens * rows * 4L);
        var x = new PackedActivations(buffer.Start, tokens, columns);
        fixed (float* floats = KernelTests.RandomFloats(tokens * columns, tokens))
        {
            for (int t = 0; t < tokens; t++) Specification.QuantizePacked(floats + t * columns, x, t);
        }
        var matrix = new WeightMatrix(w.Start, new PackedLayout(packing, columns), RandomPacked.Codebook, rows);
        Run(Specification, columns,
            scratch => Specification.MultiplyPacked(matrix, x, tokens, expected.Floats, rows, firstRow, endRow, (byte*)scratch));
        Run(kernel, columns, scratch => kernel.MultiplyPacked(matrix, x, tokens, actual.Floats, rows, firstRow, endRow, (byte*)scratch));
        KernelTests.AssertSameBits(expected.FloatSpan, actual.FloatSpan,
            $"{packing} [{rows}, {columns}] x {tokens}, rows {firstRow} to {endRow}");
    }

    private static void Run(Kernel kernel, int columns, Action<nint> operation)
    {
        using var scratch = new GuardedBuffer(kernel.ScratchBytes(columns) + 63 & ~63L);
        operation((nint)scratch.Start);
    }
}
