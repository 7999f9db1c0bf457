namespace EdgeLlm.Kernels.Scalar;

/// <summary>Operations of sound synthesis.</summary>
internal unsafe partial class ScalarKernel
{
    public override void ConvolveRow(float* x, nint stride, float* weights, float* bias, float* y, int taps, int channels)
    {
        for (int c = 0; c < channels; c++)
        {
            float sum = bias[c];
            for (nint t = 0; t < taps; t++) sum = MathF.FusedMultiplyAdd(weights[t * channels + c], x[t * stride + c], sum);
            y[c] = sum;
        }
    }

    public override void Exponential(float* x, float most, int count)
    {
        for (int j = 0; j < count; j++) x[j] = Polynomials.Exp(x[j] > most ? most : x[j]);
    }

    public override void Turn(float* angles, float* cosines, float* sines, int count)
    {
        for (int j = 0; j < count; j++) (sines[j], cosines[j]) = Polynomials.SinCos(angles[j]);
    }
}
