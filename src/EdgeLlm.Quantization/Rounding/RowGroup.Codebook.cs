using System.Numerics.Tensors;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization.Rounding;

internal sealed partial class RowGroup
{
    /// <summary>
    /// Adds what these rows say about the codebook: with each code's share of a row S_c (its scales where the code is, else 0), the cost is
    /// smallest at the values t that solve A t = b, A[c, d] = sum S_c H S_d, b[c] = sum S_c H w.
    /// </summary>
    public void AddCodebookEquations(double[] a, double[] b)
    {
        const int Codes = PackedLayout.FourBitCodes;
        float[][] products = new float[Codes][];
        for (int code = 0; code < Codes; code++) products[code] = new float[_columns];
        float[] weights = new float[_columns], target = new float[_columns], scales = new float[_columns];
        byte[] codes = new byte[_columns];
        for (int row = 0; row < Lanes; row++)
        {
            if (_rowScale[row] == 0) continue;
            foreach (float[] product in products) Array.Clear(product);
            Array.Clear(target);
            for (int k = 0; k < _columns; k++)
            {
                scales[k] = _rowScale[row] * _subScales[k / _run][row];
                weights[k] = _weights[k][row];
                codes[k] = _codebook.CodeOf(_values[k][row]);
                ReadOnlySpan<float> moments = _curvature.Moments.AsSpan(k * _columns, _columns);
                float[] product = products[codes[k]];
                TensorPrimitives.MultiplyAdd(moments, scales[k], product, product);
                TensorPrimitives.MultiplyAdd(moments, weights[k], target, target);
            }
            for (int k = 0; k < _columns; k++)
            {
                double scale = scales[k];
                b[codes[k]] += scale * target[k];
                for (int code = 0; code < Codes; code++) a[code * Codes + codes[k]] += scale * products[code][k];
            }
        }
    }
}
