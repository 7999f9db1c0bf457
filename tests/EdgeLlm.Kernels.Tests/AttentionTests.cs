using System.Runtime.InteropServices;
using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Kernels.Tests;

/// <summary>Attention of every kernel against the scalar one, and against itself over other chunks.</summary>
public sealed unsafe class AttentionTests
{
    private static readonly ScalarKernel Specification = new();

    public static TheoryData<string, KeyValueType> Cases()
    {
        var cases = new TheoryData<string, KeyValueType>();
        foreach (Kernel kernel in Kernel.Available)
        {
            foreach (KeyValueType type in Enum.GetValues<KeyValueType>()) cases.Add(kernel.Name, type);
        }
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Attention_has_the_bits_of_the_scalar_kernel(string kernelName, KeyValueType type)
    {
        Kernel kernel = Kernel.Choose(kernelName);
        foreach ((int dimension, int group, int positions, int window) in new[] { (64, 3, 77, 0), (8, 1, 5, 0), (20, 2, 70, 16),
            (96, 4, 33, 0), (128, 1, 64, 40), (63, 5, 40, 5) })
        {
            foreach ((float cap, bool hasSlopes) in new[] { (0f, false), (1.5f, false), (0f, true), (2f, true) })
            {
                float[] expected = Run(Specification, type, dimension, group, positions, window, positions, cap, hasSlopes);
                foreach (int chunk in new[] { positions, 1, 7 })
                    KernelTests.AssertSameBits(expected, Run(kernel, type, dimension, group, positions, window, chunk, cap, hasSlopes),
                        $"{type} dimension {dimension}, chunks of {chunk}, cap {cap}, slopes {hasSlopes}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Attention_to_both_directions_has_the_bits_of_the_scalar_kernel(string kernelName, KeyValueType type)
    {
        Kernel kernel = Kernel.Choose(kernelName);
        foreach ((int dimension, int group, int positions, int window, int after) in new[] { (64, 1, 77, 0, 77), (8, 2, 5, 0, 5),
            (20, 2, 70, 17, 16), (63, 3, 100, 5, 4), (16, 1, 33, 1, 40), (16, 1, 64, 40, 1) })
        {
            float[] expected = Run(Specification, type, dimension, group, positions, window, positions, after: after);
            foreach (int chunk in new[] { positions, 1, 7 })
                KernelTests.AssertSameBits(expected, Run(kernel, type, dimension, group, positions, window, chunk, after: after),
                    $"{type} dimension {dimension}, chunks of {chunk}, window {window}, {after} after");
        }
    }

    [Fact]
    public void Attention_to_both_directions_is_its_formula()
    {
        const int Dimension = 16, Positions = 40, Before = 6, After = 5;
        float[] actual = Run(Specification, KeyValueType.F32, Dimension, 1, Positions, Before, Positions, after: After);
        (float[] q, float[] k, float[] v) = Inputs(Dimension, 1, Positions);
        for (int t = 0; t < Positions; t++)
        {
            int[] seen = [.. Enumerable.Range(0, Positions).Where(j => j > t - Before && j <= t + After)];
            double[] p =
                [.. seen.Select(j =>
                    Math.Exp(Enumerable.Range(0, Dimension).Sum(d => (double)q[t * Dimension + d] * k[j * Dimension + d]) * 0.25))];
            for (int d = 0; d < Dimension; d++)
                Assert.Equal(seen.Select((j, i) => p[i] * v[j * Dimension + d]).Sum() / p.Sum(), actual[t * Dimension + d], 1e-5);
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Attention_is_the_softmax_of_scores_times_values(string kernelName, KeyValueType type)
    {
        const int Dimension = 16, Positions = 40;
        float[] actual = Run(Kernel.Choose(kernelName), type, Dimension, 1, Positions, 0, Positions);
        (float[] q, float[] k, float[] v) = Inputs(Dimension, 1, Positions);
        double tolerance = type switch { KeyValueType.F32 => 1e-5, KeyValueType.F16 => 5e-3, _ => 6e-2 };
        for (int t = 0; t < Positions; t++)
        {
            double[] p = [.. Enumerable.Range(0, t + 1)
                .Select(j =>
                    Math.Exp(Enumerable.Range(0, Dimension).Sum(d => (double)q[t * Dimension + d] * k[j * Dimension + d]) * 0.25))];
            for (int d = 0; d < Dimension; d++)
            {
                double expected = Enumerable.Range(0, t + 1).Sum(j => p[j] * v[j * Dimension + d]) / p.Sum();
                Assert.InRange(actual[t * Dimension + d], expected - tolerance, expected + tolerance);
            }
        }
    }

    [Fact]
    public void Capped_scores_are_their_formula()
    {
        const int Dimension = 16, Positions = 40;
        float[] actual = Run(Specification, KeyValueType.F32, Dimension, 1, Positions, 0, Positions, cap: 1.25f);
        (float[] q, float[] k, float[] v) = Inputs(Dimension, 1, Positions);
        int t = Positions - 1;
        double[] p = [.. Enumerable.Range(0, Positions)
            .Select(
                j =>
                    Math.Exp(1.25 * Math.Tanh(Enumerable.Range(0, Dimension)
                        .Sum(d => (double)q[t * Dimension + d] * k[j * Dimension + d]) * 0.25 / 1.25)))];
        for (int d = 0; d < Dimension; d++)
            Assert.Equal(Enumerable.Range(0, Positions).Sum(j => p[j] * v[j * Dimension + d]) / p.Sum(), actual[t * Dimension + d], 1e-5);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Rotation_is_the_same_on_every_kernel(bool split)
    {
        foreach (Kernel kernel in Kernel.Available)
        {
            foreach (int pairs in Enumerable.Range(1, 36))
            {
                int dimension = 2 * pairs + pairs % 3;
                float[] x = KernelTests.RandomFloats(3 * dimension, pairs), cosines = KernelTests.RandomFloats(pairs, 1),
                    sines = KernelTests.RandomFloats(pairs, 2);
                using GuardedBuffer a = GuardedBuffer.Of<float>(x), b = GuardedBuffer.Of<float>(x), c = GuardedBuffer.Of<float>(cosines),
                    s = GuardedBuffer.Of<float>(sines);
                Specification.Rotate(a.Floats, 3, dimension, c.Floats, s.Floats, pairs, split);
                kernel.Rotate(b.Floats, 3, dimension, c.Floats, s.Floats, pairs, split);
                KernelTests.AssertSameBits(a.FloatSpan, b.FloatSpan, $"{kernel.Name}, {pairs} pairs");
            }
        }
    }

    [Theory]
    [InlineData(KeyValueType.F16)]
    [InlineData(KeyValueType.F32)]
    [InlineData(KeyValueType.I8)]
    public void A_window_in_a_ring_of_tiles_gives_the_bits_of_all_positions(KeyValueType type)
    {
        foreach (Kernel kernel in Kernel.Available)
        {
            foreach ((int window, int chunk, int places) in new[] { (1, 1, 2), (16, 8, 3), (32, 7, 3), (33, 40, 4), (5, 32, 3) })
                KernelTests.AssertSameBits(Run(Specification, type, 16, 2, 300, window, chunk),
                    Run(kernel, type, 16, 2, 300, window, chunk, places: places), $"{kernel.Name}, {window}, {chunk}");
        }
    }

    private static (float[] Q, float[] K, float[] V) Inputs(int dimension, int group, int positions) =>
        (KernelTests.RandomFloats(positions * group * dimension, 1), KernelTests.RandomFloats(positions * dimension, 2),
            KernelTests.RandomFloats(positions * dimension, 3));

    private static float[] Run(Kernel kernel, KeyValueType type, int dimension, int group, int positions, int window, int chunk,
        float cap = 0, bool hasSlopes = false, int places = 0, int after = 0)
    {
        (float[] q, float[] k, float[] v) = Inputs(dimension, group, positions);
        int size = KeyValueHead.ElementBytes(type), tiles = places > 0 ? places : (positions + 31) / 32,
            stored = places > 0 ? 32 * places : positions;
        using GuardedBuffer keys = new((long)tiles * 32 * dimension * size), values = new((long)stored * dimension * size);
        using GuardedBuffer keyScales = new(tiles * 32 * 4L), valueScales = new(stored * 4L), queries = GuardedBuffer.Of<float>(q),
            output = new(q.Length * 4L);
        var cache = new KeyValueHead(type, dimension, keys.Start, values.Start, keyScales.Floats, valueScales.Floats, tiles);
        void* scratch = NativeMemory.AlignedAlloc((nuint)kernel.AttentionScratchBytes(dimension, chunk, group), 64);
        int stride = group * dimension;
        float[] slopes = [.. Enumerable.Range(1, group).Select(g => 0.7f / g)];
        fixed (float* key = k, value = v, slope = slopes)
        {
            for (int start = 0; start < positions; start += chunk)
            {
                int tokens = Math.Min(chunk, positions - start);
                for (int t = after == 0 ? start : 0; t < (after == 0 ? start + tokens : positions); t++)
                    kernel.Store(cache, t, key + t * dimension, value + t * dimension);
                kernel.Attend(cache, new AttentionQuery
                {
                    After = after,
                    Keys = positions,
                    Queries = queries.Floats + start * stride,
                    Output = output.Floats + start * stride,
                    Stride = stride,
                    Tokens = tokens,
                    GroupSize = group,
                    FirstPosition = start,
                    Window = window,
                    Scale = 0.25f,
                    Cap = cap,
                    Slopes = hasSlopes ? slope : null,
                }, (byte*)scratch);
            }
        }
        NativeMemory.AlignedFree(scratch);
        return output.FloatSpan.ToArray();
    }
}
