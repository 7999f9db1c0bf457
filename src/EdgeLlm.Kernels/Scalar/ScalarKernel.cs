namespace EdgeLlm.Kernels.Scalar;

/// <summary>
/// Plain loops that say what every kernel computes, in which order and with which roundings. Kept for reading: nothing here is tuned.
/// </summary>
internal unsafe partial class ScalarKernel : Kernel
{
    /// <summary>Lanes of a float reduction: lane j % 16 takes element j with a fused multiply-add, then <see cref="SumLanes"/>.</summary>
    protected const int Lanes = 16;

    public override string Name => "scalar";

    /// <summary>The tree that adds 16 lanes up: l + (l + 8), then + 4, + 2, + 1.</summary>
    protected static float SumLanes(float* lanes)
    {
        for (int width = Lanes / 2; width >= 1; width /= 2)
        {
            for (int l = 0; l < width; l++) lanes[l] += lanes[l + width];
        }
        return lanes[0];
    }

    protected static float Dot(float* x, float* y, int count)
    {
        float* lanes = stackalloc float[Lanes];
        for (int l = 0; l < Lanes; l++) lanes[l] = 0;
        for (int j = 0; j < count; j++) lanes[j % Lanes] = MathF.FusedMultiplyAdd(x[j], y[j], lanes[j % Lanes]);
        return SumLanes(lanes);
    }

    /// <summary>The bits of the largest |x|; larger than those of infinity where one is not a number.</summary>
    private static int LargestMagnitude(float* x, int count)
    {
        int largest = 0;
        for (int j = 0; j < count; j++) largest = Math.Max(largest, BitConverter.SingleToInt32Bits(x[j]) & 0x7FFFFFFF);
        return largest;
    }

    public override bool RmsNorm(float* x, float* weight, float* y, int count, float epsilon)
    {
        float sum = Dot(x, x, count);
        if (!float.IsFinite(sum)) return false;
        float inverse = 1f / MathF.Sqrt(sum / count + epsilon);
        for (int j = 0; j < count; j++) y[j] = x[j] * inverse * weight[j];
        return true;
    }

    public override void Add(float* x, float* y, int count)
    {
        for (int j = 0; j < count; j++) x[j] += y[j];
    }

    /// <summary>Sums are in double, in order: the same bits on every machine.</summary>
    public override bool LayerNorm(float* x, float* weight, float* bias, float* y, int count, float epsilon)
    {
        double sum = 0, squares = 0;
        for (int i = 0; i < count; i++) sum += x[i];
        double mean = sum / count;
        for (int i = 0; i < count; i++) squares += (x[i] - mean) * (x[i] - mean);
        double inverse = 1 / Math.Sqrt(squares / count + epsilon);
        for (int i = 0; i < count; i++)
            y[i] = MathF.FusedMultiplyAdd((float)((x[i] - mean) * inverse), weight[i], bias == null ? 0 : bias[i]);
        return double.IsFinite(squares);
    }

    public override bool LayerNormRows(float* x, float* weight, float* bias, float* y, int count, int rows, float epsilon)
    {
        bool isFinite = true;
        for (; rows > 0; rows--, x += count, y += count) isFinite &= LayerNorm(x, weight, bias, y, count, epsilon);
        return isFinite;
    }

    public override void SiluMultiply(float* gate, float* up, int count)
    {
        for (int j = 0; j < count; j++) gate[j] = Polynomials.Silu(gate[j]) * up[j];
    }

    public override void Activate(Activation activation, float* x, float* factors, int count)
    {
        for (int j = 0; j < count; j++)
            x[j] = factors == null ? ActivationFunctions.Of(activation, x[j]) : ActivationFunctions.Of(activation, x[j]) * factors[j];
    }

    public override void ActivateClamped(float* x, float* y, float factor, float limit, int count)
    {
        for (int j = 0; j < count; j++)
        {
            float gate = x[j] > limit ? limit : x[j], up = y[j] > limit ? limit : y[j] < -limit ? -limit : y[j];
            x[j] = (up + 1f) * (gate / (1f + Polynomials.Exp(-(gate * factor))));
        }
    }

    public override void Cap(float* x, float cap, int count)
    {
        for (int j = 0; j < count; j++) x[j] = ActivationFunctions.Tanh(x[j] / cap) * cap;
    }

    public override void Clamp(float* x, float limit, int count)
    {
        for (int j = 0; j < count; j++) x[j] = x[j] > limit ? limit : x[j] < -limit ? -limit : x[j];
    }

    public override void Multiply(float* x, float factor, int count)
    {
        for (int j = 0; j < count; j++) x[j] *= factor;
    }

    public override void Rotate(float* x, int heads, int dimension, float* cosines, float* sines, int pairs, bool split)
    {
        for (int h = 0; h < heads; h++)
        {
            for (int i = 0; i < pairs; i++)
            {
                float* a = x + h * dimension + (split ? i : 2 * i);
                float* b = split ? a + pairs : a + 1;
                float first = *a, second = *b;
                *a = MathF.FusedMultiplyAdd(first, cosines[i], -(second * sines[i]));
                *b = MathF.FusedMultiplyAdd(first, sines[i], second * cosines[i]);
            }
        }
    }
}
