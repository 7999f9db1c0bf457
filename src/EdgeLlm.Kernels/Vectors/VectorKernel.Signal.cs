using System.Numerics;
using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Kernels.Vectors;

/// <summary>Operations of sound synthesis, lane by lane.</summary>
internal abstract unsafe partial class VectorKernel
{
    public override void ConvolveRow(float* x, nint stride, float* weights, float* bias, float* y, int taps, int channels)
    {
        int width = Width;
        nint i = 0;
        for (; i <= channels - 4 * width; i += 4 * width)
        {
            Vector<float> a = Vector.Load(bias + i), b = Vector.Load(bias + i + width), c = Vector.Load(bias + i + 2 * width),
                d = Vector.Load(bias + i + 3 * width);
            float* input = x + i, weight = weights + i;
            for (int t = 0; t < taps; t++, input += stride, weight += channels)
            {
                a = Vector.FusedMultiplyAdd(Vector.Load(weight), Vector.Load(input), a);
                b = Vector.FusedMultiplyAdd(Vector.Load(weight + width), Vector.Load(input + width), b);
                c = Vector.FusedMultiplyAdd(Vector.Load(weight + 2 * width), Vector.Load(input + 2 * width), c);
                d = Vector.FusedMultiplyAdd(Vector.Load(weight + 3 * width), Vector.Load(input + 3 * width), d);
            }
            a.Store(y + i);
            b.Store(y + i + width);
            c.Store(y + i + 2 * width);
            d.Store(y + i + 3 * width);
        }
        for (; i < channels; i++)
        {
            float sum = bias[i];
            for (nint t = 0; t < taps; t++) sum = MathF.FusedMultiplyAdd(weights[t * channels + i], x[t * stride + i], sum);
            y[i] = sum;
        }
    }

    public override void Exponential(float* x, float most, int count)
    {
        var limit = new Vector<float>(most);
        int j = 0;
        for (; j <= count - Width; j += Width)
        {
            Vector<float> values = Vector.Load(x + j);
            Exp(Vector.ConditionalSelect(Vector.GreaterThan(values, limit), limit, values)).Store(x + j);
        }
        base.Exponential(x + j, most, count - j);
    }

    public override void Turn(float* angles, float* cosines, float* sines, int count)
    {
        int j = 0;
        for (; j <= count - Width; j += Width)
        {
            Vector<float> angle = Vector.Load(angles + j);
            var rounder = new Vector<float>(Polynomials.TurnRounder);
            Vector<float> shifted = angle * new Vector<float>(Polynomials.TwoOverPi) + rounder;
            Vector<float> n = shifted - rounder;
            Vector<float> r = Vector.FusedMultiplyAdd(n, new Vector<float>(-Polynomials.HalfPiHigh), angle);
            r = Vector.FusedMultiplyAdd(n, new Vector<float>(-Polynomials.HalfPiLow), r);
            Vector<float> z = r * r;
            Vector<float> p = Vector.FusedMultiplyAdd(new Vector<float>(Polynomials.Sin2), z, new Vector<float>(Polynomials.Sin1));
            p = Vector.FusedMultiplyAdd(p, z, new Vector<float>(Polynomials.Sin0));
            Vector<float> sin = Vector.FusedMultiplyAdd(p * z, r, r);
            p = Vector.FusedMultiplyAdd(new Vector<float>(Polynomials.Cos2), z, new Vector<float>(Polynomials.Cos1));
            p = Vector.FusedMultiplyAdd(p, z, new Vector<float>(Polynomials.Cos0));
            p = Vector.FusedMultiplyAdd(p, z, new Vector<float>(-.5f));
            Vector<float> cos = Vector.FusedMultiplyAdd(p, z, Vector<float>.One);

            Vector<int> quadrant = Vector.AsVectorInt32(shifted), one = Vector<int>.One, two = new(2);
            Vector<int> isOdd = Vector.Equals(quadrant & one, one);
            Vector<int> sinSign = (quadrant & two) << 30, cosSign = (quadrant + one & two) << 30;
            Vector<int> sinBits = Vector.AsVectorInt32(Vector.ConditionalSelect(isOdd, cos, sin)) ^ sinSign;
            Vector<int> cosBits = Vector.AsVectorInt32(Vector.ConditionalSelect(isOdd, sin, cos)) ^ cosSign;
            Vector.AsVectorSingle(sinBits).Store(sines + j);
            Vector.AsVectorSingle(cosBits).Store(cosines + j);
        }
        base.Turn(angles + j, cosines + j, sines + j, count - j);
    }
}
