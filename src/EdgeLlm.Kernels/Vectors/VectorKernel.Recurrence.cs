using System.Numerics;

namespace EdgeLlm.Kernels.Vectors;

/// <summary>Recurrences: each lane is a channel or a column of a state, so that no sum crosses lanes.</summary>
internal abstract unsafe partial class VectorKernel
{
    public override void Convolve(in Convolution convolution, float* before, float* after, float* x, int firstChannel, int endChannel)
    {
        int last = convolution.Taps - 1, width = Width;
        nint channels = convolution.Channels;
        int c = firstChannel;
        for (; c <= endChannel - width; c += width)
        {
            Vector<float> input = Vector.Load(x + c), y = convolution.Bias == null ? Vector<float>.Zero : Vector.Load(convolution.Bias + c);
            float* weights = convolution.Weights + c;
            for (nint tap = 0; tap < last; tap++, weights += channels)
            {
                Vector<float> earlier = before == null ? Vector<float>.Zero : Vector.Load(before + tap * channels + c);
                y = Vector.FusedMultiplyAdd(Vector.Load(weights), earlier, y);
                if (tap > 0) earlier.Store(after + (tap - 1) * channels + c);
            }
            y = Vector.FusedMultiplyAdd(Vector.Load(weights), input, y);
            if (last > 0) input.Store(after + (last - 1) * channels + c);
            if (convolution.HasSilu) y /= Vector<float>.One + Exp(-y);
            y.Store(x + c);
        }
        if (c < endChannel) base.Convolve(convolution, before, after, x, c, endChannel);
    }

    public override void Recall(float* state, float* key, float* y, int keys, int values)
    {
        int width = Width, j = values / (2 * width) * (2 * width);
        nint stride = values;
        MultiplyRow(key, state, stride, keys, y, j, anew: true);
        for (; j <= values - width; j += width)
        {
            Vector<float> a = Vector<float>.Zero;
            for (nint i = 0; i < keys; i++) a = Vector.FusedMultiplyAdd(new Vector<float>(key[i]), Vector.Load(state + i * stride + j), a);
            a.Store(y + j);
        }
        for (; j < values; j++)
        {
            float sum = 0;
            for (nint i = 0; i < keys; i++) sum = MathF.FusedMultiplyAdd(key[i], state[i * stride + j], sum);
            y[j] = sum;
        }
    }

    public override void Associate(float* before, float* after, float decay, float* key, float* value, float* query,
        float* y, int keys, int values)
    {
        if (before == null)
        {
            // Nothing yet: zeros that decay to zeros.
            new Span<float>(after, keys * values).Clear();
            before = after;
        }
        int width = Width, j = 0;
        nint stride = values;
        var factor = new Vector<float>(decay);
        for (; j <= values - 4 * width; j += 4 * width)
        {
            Vector<float> a = Vector<float>.Zero, b = a, c = a, d = a;
            Vector<float> v0 = Vector.Load(value + j), v1 = Vector.Load(value + j + width), v2 = Vector.Load(value + j + 2 * width),
                v3 = Vector.Load(value + j + 3 * width);
            float* from = before + j, to = after + j;
            for (nint i = 0; i < keys; i++, from += stride, to += stride)
            {
                Vector<float> k = new(key[i]), q = new(query[i]);
                Vector<float> s0 = Vector.FusedMultiplyAdd(k, v0, Vector.Load(from) * factor);
                Vector<float> s1 = Vector.FusedMultiplyAdd(k, v1, Vector.Load(from + width) * factor);
                Vector<float> s2 = Vector.FusedMultiplyAdd(k, v2, Vector.Load(from + 2 * width) * factor);
                Vector<float> s3 = Vector.FusedMultiplyAdd(k, v3, Vector.Load(from + 3 * width) * factor);
                s0.Store(to);
                s1.Store(to + width);
                s2.Store(to + 2 * width);
                s3.Store(to + 3 * width);
                a = Vector.FusedMultiplyAdd(q, s0, a);
                b = Vector.FusedMultiplyAdd(q, s1, b);
                c = Vector.FusedMultiplyAdd(q, s2, c);
                d = Vector.FusedMultiplyAdd(q, s3, d);
            }
            a.Store(y + j);
            b.Store(y + j + width);
            c.Store(y + j + 2 * width);
            d.Store(y + j + 3 * width);
        }
        for (; j < values; j++)
        {
            float sum = 0;
            for (nint i = 0; i < keys; i++)
            {
                float number = MathF.FusedMultiplyAdd(key[i], value[j], before[i * stride + j] * decay);
                after[i * stride + j] = number;
                sum = MathF.FusedMultiplyAdd(query[i], number, sum);
            }
            y[j] = sum;
        }
    }
}
