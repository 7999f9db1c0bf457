namespace EdgeLlm.Kernels.Scalar;

internal unsafe partial class ScalarKernel
{
    /// <summary>Per channel: y = chain over taps of fma(weight, input, y) from the bias or 0, the oldest input first.</summary>
    public override void Convolve(in Convolution convolution, float* before, float* after, float* x, int firstChannel, int endChannel)
    {
        int channels = convolution.Channels, last = convolution.Taps - 1;
        for (int c = firstChannel; c < endChannel; c++)
        {
            float input = x[c], y = convolution.Bias == null ? 0 : convolution.Bias[c];
            for (int tap = 0; tap < last; tap++)
            {
                float earlier = before == null ? 0 : before[(nint)tap * channels + c];
                y = MathF.FusedMultiplyAdd(convolution.Weights[(nint)tap * channels + c], earlier, y);
                if (tap > 0) after[(nint)(tap - 1) * channels + c] = earlier;
            }
            y = MathF.FusedMultiplyAdd(convolution.Weights[(nint)last * channels + c], input, y);
            if (last > 0) after[(nint)(last - 1) * channels + c] = input;
            x[c] = convolution.HasSilu ? Polynomials.Silu(y) : y;
        }
    }

    public override void Recall(float* state, float* key, float* y, int keys, int values)
    {
        for (int j = 0; j < values; j++)
        {
            float sum = 0;
            for (int i = 0; i < keys; i++) sum = MathF.FusedMultiplyAdd(key[i], state[(nint)i * values + j], sum);
            y[j] = sum;
        }
    }

    public override void Associate(float* before, float* after, float decay, float* key, float* value, float* query,
        float* y, int keys, int values)
    {
        for (int j = 0; j < values; j++)
        {
            float sum = 0;
            for (int i = 0; i < keys; i++)
            {
                nint place = (nint)i * values + j;
                float number = MathF.FusedMultiplyAdd(key[i], value[j], before == null ? 0 : before[place] * decay);
                after[place] = number;
                sum = MathF.FusedMultiplyAdd(query[i], number, sum);
            }
            y[j] = sum;
        }
    }
}
