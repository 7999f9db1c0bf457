using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Kernels.Vectors;

/// <summary>
/// Operations without instructions of one processor family: float arithmetic in <see cref="Vector{T}"/>, 8 floats wide on AVX2 and 4 on
/// NEON, with the lanes and trees of <see cref="ScalarKernel"/>. The integer products are the families' own.
/// </summary>
internal abstract unsafe partial class VectorKernel : ScalarKernel
{
    private static int Width => Vector<float>.Count;

    public override bool RmsNorm(float* x, float* weight, float* y, int count, float epsilon)
    {
        float sum = DotVectors(x, x, count);
        if (!float.IsFinite(sum)) return false;
        float inverse = 1f / MathF.Sqrt(sum / count + epsilon);
        var factor = new Vector<float>(inverse);
        int j = 0;
        for (; j <= count - Width; j += Width) (Vector.Load(x + j) * factor * Vector.Load(weight + j)).Store(y + j);
        for (; j < count; j++) y[j] = x[j] * inverse * weight[j];
        return true;
    }

    /// <summary>The sums are the scalar kernel's, one after the other; what follows them is lane by lane.</summary>
    public override bool LayerNorm(float* x, float* weight, float* bias, float* y, int count, float epsilon)
    {
        double sum = 0, squares = 0;
        int i = 0;
        for (; i <= count - 4; i += 4)
        {
            sum += x[i];
            sum += x[i + 1];
            sum += x[i + 2];
            sum += x[i + 3];
        }
        for (; i < count; i++) sum += x[i];
        double mean = sum / count;
        for (i = 0; i <= count - 4; i += 4)
        {
            double a = x[i] - mean, b = x[i + 1] - mean, c = x[i + 2] - mean, d = x[i + 3] - mean;
            squares += a * a;
            squares += b * b;
            squares += c * c;
            squares += d * d;
        }
        for (; i < count; i++) squares += (x[i] - mean) * (x[i] - mean);
        Normalize(x, mean, 1 / Math.Sqrt(squares / count + epsilon), weight, bias, y, count);
        return double.IsFinite(squares);
    }

    public override void Add(float* x, float* y, int count)
    {
        for (; count >= 4 * Width; count -= 4 * Width, x += 4 * Width, y += 4 * Width)
        {
            Vector<float> a = Vector.Load(x) + Vector.Load(y), b = Vector.Load(x + Width) + Vector.Load(y + Width);
            Vector<float> c = Vector.Load(x + 2 * Width) + Vector.Load(y + 2 * Width),
                d = Vector.Load(x + 3 * Width) + Vector.Load(y + 3 * Width);
            a.Store(x);
            b.Store(x + Width);
            c.Store(x + 2 * Width);
            d.Store(x + 3 * Width);
        }
        int j = 0;
        for (; j <= count - Width; j += Width) (Vector.Load(x + j) + Vector.Load(y + j)).Store(x + j);
        for (; j < count; j++) x[j] += y[j];
    }

    public override void SiluMultiply(float* gate, float* up, int count)
    {
        int j = 0;
        for (; j <= count - Width; j += Width)
        {
            Vector<float> x = Vector.Load(gate + j);
            (x / (Vector<float>.One + Exp(-x)) * Vector.Load(up + j)).Store(gate + j);
        }
        for (; j < count; j++) gate[j] = Polynomials.Silu(gate[j]) * up[j];
    }

    public override void Quantize(float* x, in QuantizedActivations target, int token)
    {
        for (int b = 0; b < target.Blocks; b++)
        {
            float* block = x + b * 32;
            long cell = (long)token * target.Blocks + b;
            int bits = LargestOf32(block);
            float scale = 0, inverse = 0;
            if (bits >= 0x7F800000)
            {
                scale = float.NaN;
            }
            else if (bits >= (127 - 100) << 23)
            {
                float largest = BitConverter.Int32BitsToSingle(bits);
                scale = largest / 127f;
                inverse = 127f / largest;
            }
            sbyte* values = target.Values + cell * 32;
            if (inverse == 0)
            {
                new Span<sbyte>(values, 32).Clear();
                target.Scales[cell] = scale;
                target.Sums[2 * cell] = 0;
                target.Sums[2 * cell + 1] = 0;
                target.ScaledSums[cell] = scale * 0f;
                continue;
            }
            int* sums = target.Sums + 2 * cell;
            Round32(block, inverse, values, sums);
            target.Scales[cell] = scale;
            target.ScaledSums[cell] = scale * (sums[0] + sums[1]);
        }
    }

    private static Vector<int> Round(float* x, Vector<float> factor, Vector<float> rounder) =>
        Vector.AsVectorInt32(Vector.Load(x) * factor + rounder) - Vector.AsVectorInt32(rounder);

    private static int MaximumAcross(Vector<int> x)
    {
        Vector128<int> m = Width == 8 ? Vector128.Max(x.AsVector256().GetLower(), x.AsVector256().GetUpper()) : x.AsVector128();
        m = Vector128.Max(m, Vector128.Shuffle(m, Vector128.Create(2, 3, 0, 1)));
        return Vector128.Max(m, Vector128.Shuffle(m, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }

    /// <summary><see cref="Polynomials.Exp(float)"/>, lane by lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector<float> Exp(Vector<float> input)
    {
        // What becomes of what is not a number does not matter here: the last line has it.
        Vector<float> x = Vector.MinNative(Vector.MaxNative(input, new Vector<float>(Polynomials.ExpMinimum)),
            new Vector<float>(Polynomials.ExpMaximum));
        var rounder = new Vector<float>(12582912f);
        Vector<float> shifted = x * new Vector<float>(Polynomials.Log2E) + rounder;
        Vector<float> n = shifted - rounder;
        Vector<float> r = Vector.FusedMultiplyAdd(n, new Vector<float>(-Polynomials.Ln2High), x);
        r = Vector.FusedMultiplyAdd(n, new Vector<float>(-Polynomials.Ln2Low), r);
        Vector<float> p = Vector.FusedMultiplyAdd(new Vector<float>(Polynomials.Exp0), r, new Vector<float>(Polynomials.Exp1));
        p = Vector.FusedMultiplyAdd(p, r, new Vector<float>(Polynomials.Exp2));
        p = Vector.FusedMultiplyAdd(p, r, new Vector<float>(Polynomials.Exp3));
        p = Vector.FusedMultiplyAdd(p, r, new Vector<float>(Polynomials.Exp4));
        p = Vector.FusedMultiplyAdd(p, r, new Vector<float>(Polynomials.Exp5));
        p = Vector.FusedMultiplyAdd(p, r * r, r) + Vector<float>.One;
        Vector<int> exponent = Vector.AsVectorInt32(shifted) - new Vector<int>(0x4B400000 - 127) << 23;
        return Vector.ConditionalSelect(Vector.Equals(input, input), p * Vector.AsVectorSingle(exponent), input);
    }
}
