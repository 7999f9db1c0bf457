using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Kernels.Tests;

/// <summary>Convolutions and states: every kernel gives the scalar kernel's bits, between pages that nobody may touch.</summary>
public sealed unsafe class RecurrenceTests
{
    private static readonly ScalarKernel Specification = new();

    [Fact]
    public void A_convolution_has_the_same_bits_on_every_kernel()
    {
        foreach (Kernel kernel in Kernel.Available)
        {
            foreach (int channels in Enumerable.Range(1, 40).Append(130))
            {
                foreach (int taps in new[] { 1, 2, 3, 4, 5 })
                {
                    bool hasBias = channels % 2 == 0;
                    (float[] y, float[] state) expected = Convolve(Specification, channels, taps, hasBias),
                        actual = Convolve(kernel, channels, taps, hasBias);
                    KernelTests.AssertSameBits(expected.y, actual.y, $"{kernel.Name}, {channels} channels, {taps} taps");
                    KernelTests.AssertSameBits(expected.state, actual.state, $"{kernel.Name}, {channels} channels, {taps} taps, state");
                }
            }
        }
    }

    [Fact]
    public void A_convolution_is_the_sum_over_its_last_inputs()
    {
        (float[] y, _) = Convolve(Specification, 6, 3, hasBias: true);
        float[] x = KernelTests.RandomFloats(5 * 6, 1), weights = KernelTests.RandomFloats(3 * 6, 2), bias = KernelTests.RandomFloats(6, 3);
        for (int t = 0; t < 5; t++)
        {
            for (int c = 0; c < 6; c++)
            {
                double sum = bias[c];
                for (int tap = 0; tap < 3; tap++) sum += t - 2 + tap >= 0 ? (double)weights[tap * 6 + c] * x[(t - 2 + tap) * 6 + c] : 0;
                Assert.Equal(sum / (1 + Math.Exp(-sum)), y[t * 6 + c], 1e-5);
            }
        }
    }

    [Fact]
    public void A_state_has_the_same_bits_on_every_kernel()
    {
        foreach (Kernel kernel in Kernel.Available)
        {
            foreach (int values in Enumerable.Range(1, 40).Append(64).Append(128))
            {
                foreach (int keys in new[] { 1, 3, 16 })
                    KernelTests.AssertSameBits(States(Specification, keys, values), States(kernel, keys, values),
                        $"{kernel.Name}, {keys} keys, {values} values");
            }
        }
    }

    /// <summary>Five tokens' results, and the state after them.</summary>
    private static (float[] Y, float[] State) Convolve(Kernel kernel, int channels, int taps, bool hasBias)
    {
        using GuardedBuffer x = GuardedBuffer.Of<float>(KernelTests.RandomFloats(5 * channels, 1)),
            weights = GuardedBuffer.Of<float>(KernelTests.RandomFloats(taps * channels, 2));
        using GuardedBuffer bias = GuardedBuffer.Of<float>(KernelTests.RandomFloats(channels, 3)),
            state = new(Math.Max(1, (taps - 1) * channels) * 4L);
        var convolution = new Convolution
        {
            Weights = weights.Floats,
            Bias = hasBias ? bias.Floats : null,
            Taps = taps,
            Channels = channels,
            HasSilu = hasBias,
        };
        int middle = channels / 2;
        for (int t = 0; t < 5; t++)
        {
            kernel.Convolve(convolution, t == 0 ? null : state.Floats, state.Floats, x.Floats + t * channels, 0, middle);
            kernel.Convolve(convolution, t == 0 ? null : state.Floats, state.Floats, x.Floats + t * channels, middle, channels);
        }
        return (x.FloatSpan.ToArray(), state.FloatSpan.ToArray());
    }

    /// <summary>Results of four tokens, and the state after them.</summary>
    private static float[] States(Kernel kernel, int keys, int values)
    {
        using GuardedBuffer key = GuardedBuffer.Of<float>(KernelTests.RandomFloats(4 * keys, 1)),
            query = GuardedBuffer.Of<float>(KernelTests.RandomFloats(4 * keys, 2));
        using GuardedBuffer value = GuardedBuffer.Of<float>(KernelTests.RandomFloats(4 * values, 3)), first = new(4L * keys * values),
            second = new(4L * keys * values);
        using GuardedBuffer y = new(4L * values), recalled = new(4L * values);
        var all = new List<float>();
        for (int t = 0; t < 4; t++)
        {
            float* before = t == 0 ? null : t == 1 ? first.Floats : second.Floats, after = t == 0 ? first.Floats : second.Floats;
            kernel.Associate(before, after, 0.7f, key.Floats + t * keys, value.Floats + t * values,
                query.Floats + t * keys, y.Floats, keys, values);
            kernel.Recall(after, query.Floats + t * keys, recalled.Floats, keys, values);
            KernelTests.AssertSameBits(y.FloatSpan, recalled.FloatSpan, "a state that was just read");
            all.AddRange(y.FloatSpan);
        }
        all.AddRange(second.FloatSpan);
        return [.. all];
    }
}
