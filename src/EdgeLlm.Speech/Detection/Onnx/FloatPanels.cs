using System.Numerics;
using EdgeLlm.Kernels.Vectors;

namespace EdgeLlm.Speech.Detection.Onnx;

/// <summary>
/// Weights [rows, columns] of a small network with their biases, laid out for vectors: of 32 neighbouring rows one column after the other.
/// Each result is one chain of fused multiply-adds that begins with the bias, in order of the columns: the same bits with vectors of any
/// width.
/// </summary>
internal sealed unsafe class FloatPanels
{
    private const int PanelRows = 32;

    private readonly float[] panels; // [panel][column][32]
    private readonly float[] biases; // [panel][32]
    private readonly int rows, columns;

    /// <param name="weight">Of a row and a column.</param>
    /// <param name="bias">Of a row.</param>
    public FloatPanels(int rows, int columns, Func<int, int, float> weight, Func<int, float> bias)
    {
        (this.rows, this.columns) = (rows, columns);
        panels = new float[SizeOf(rows, columns)];
        biases = new float[(rows + PanelRows - 1) / PanelRows * PanelRows];
        for (int r = 0; r < rows; r++)
        {
            biases[r] = bias(r);
            int first = r / PanelRows * PanelRows * columns + r % PanelRows;
            for (int c = 0; c < columns; c++) panels[first + c * PanelRows] = weight(r, c);
        }
    }

    /// <summary>Floats that a matrix takes.</summary>
    /// <exception cref="InvalidDataException">It is too large.</exception>
    public static int SizeOf(int rows, int columns) =>
        OnnxValue.CountOf([(int)(((long)rows + PanelRows - 1) / PanelRows), PanelRows, columns]);

    /// <summary>y[t, r] = bias[r] + sum over c of weights[r, c] x[stride t + c].</summary>
    public void Multiply(ReadOnlySpan<float> x, int stride, int tokens, Span<float> y)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(x.Length, (tokens - 1L) * stride + columns);
        ArgumentOutOfRangeException.ThrowIfLessThan(y.Length, (long)tokens * rows);
        float* results = stackalloc float[4 * PanelRows];
        fixed (float* from = x, weights = panels, offsets = biases)
        {
            for (int first = 0; first < rows; first += PanelRows)
            {
                float* panel = weights + (nint)first * columns, bias = offsets + first;
                int count = Math.Min(PanelRows, rows - first);
                for (int t = 0, taken; t < tokens; t += taken)
                {
                    float* token = from + (nint)t * stride;
                    taken = tokens - t >= 4 ? 4 : 1;
                    if (taken == 1) One(panel, bias, token, results);
                    else
                    {
                        Four(panel, bias, token, stride, results);
                        Four(panel + PanelRows / 2, bias + PanelRows / 2, token, stride, results + PanelRows / 2);
                    }
                    for (int i = 0; i < taken; i++)
                        new ReadOnlySpan<float>(results + i * PanelRows, count).CopyTo(y[((t + i) * rows + first)..]);
                }
            }
        }
    }

    /// <summary>32 rows with a token.</summary>
    private void One(float* panel, float* bias, float* x, float* y)
    {
        int width = Vector<float>.Count;
        Vector<float> a0 = Vector.Load(bias), a1 = Vector.Load(bias + width), a2 = Vector.Load(bias + 2 * width),
            a3 = Vector.Load(bias + 3 * width), a4 = a0, a5 = a0, a6 = a0, a7 = a0;
        if (width == 4)
        {
            (a4, a5) = (Vector.Load(bias + 4 * width), Vector.Load(bias + 5 * width));
            (a6, a7) = (Vector.Load(bias + 6 * width), Vector.Load(bias + 7 * width));
        }
        for (float* end = x + columns; x < end; x++, panel += PanelRows)
        {
            var v = new Vector<float>(*x);
            a0 = Vector.FusedMultiplyAdd(Vector.Load(panel), v, a0);
            a1 = Vector.FusedMultiplyAdd(Vector.Load(panel + width), v, a1);
            a2 = Vector.FusedMultiplyAdd(Vector.Load(panel + 2 * width), v, a2);
            a3 = Vector.FusedMultiplyAdd(Vector.Load(panel + 3 * width), v, a3);
            if (width == 8) continue;
            a4 = Vector.FusedMultiplyAdd(Vector.Load(panel + 4 * width), v, a4);
            a5 = Vector.FusedMultiplyAdd(Vector.Load(panel + 5 * width), v, a5);
            a6 = Vector.FusedMultiplyAdd(Vector.Load(panel + 6 * width), v, a6);
            a7 = Vector.FusedMultiplyAdd(Vector.Load(panel + 7 * width), v, a7);
        }
        a0.Store(y);
        a1.Store(y + width);
        a2.Store(y + 2 * width);
        a3.Store(y + 3 * width);
        if (width == 8) return;
        a4.Store(y + 4 * width);
        a5.Store(y + 5 * width);
        a6.Store(y + 6 * width);
        a7.Store(y + 7 * width);
    }

    /// <summary>16 rows with four tokens: each vector of weights is read once for all of them.</summary>
    private void Four(float* panel, float* bias, float* x, nint stride, float* y)
    {
        int width = Vector<float>.Count;
        Vector<float> a0 = Vector.Load(bias), a1 = a0, a2 = a0, a3 = a0;
        Vector<float> b0 = Vector.Load(bias + width), b1 = b0, b2 = b0, b3 = b0, c0 = a0, c1 = a0, c2 = a0, c3 = a0, d0 = a0, d1 = a0,
            d2 = a0, d3 = a0;
        if (width == 4)
        {
            c0 = c1 = c2 = c3 = Vector.Load(bias + 2 * width);
            d0 = d1 = d2 = d3 = Vector.Load(bias + 3 * width);
        }
        for (float* end = x + columns; x < end; x++, panel += PanelRows)
        {
            Vector<float> v0 = new(x[0]), v1 = new(x[stride]), v2 = new(x[2 * stride]), v3 = new(x[3 * stride]);
            Vector<float> w = Vector.Load(panel);
            a0 = Vector.FusedMultiplyAdd(w, v0, a0);
            a1 = Vector.FusedMultiplyAdd(w, v1, a1);
            a2 = Vector.FusedMultiplyAdd(w, v2, a2);
            a3 = Vector.FusedMultiplyAdd(w, v3, a3);
            w = Vector.Load(panel + width);
            b0 = Vector.FusedMultiplyAdd(w, v0, b0);
            b1 = Vector.FusedMultiplyAdd(w, v1, b1);
            b2 = Vector.FusedMultiplyAdd(w, v2, b2);
            b3 = Vector.FusedMultiplyAdd(w, v3, b3);
            if (width == 8) continue;
            w = Vector.Load(panel + 2 * width);
            c0 = Vector.FusedMultiplyAdd(w, v0, c0);
            c1 = Vector.FusedMultiplyAdd(w, v1, c1);
            c2 = Vector.FusedMultiplyAdd(w, v2, c2);
            c3 = Vector.FusedMultiplyAdd(w, v3, c3);
            w = Vector.Load(panel + 3 * width);
            d0 = Vector.FusedMultiplyAdd(w, v0, d0);
            d1 = Vector.FusedMultiplyAdd(w, v1, d1);
            d2 = Vector.FusedMultiplyAdd(w, v2, d2);
            d3 = Vector.FusedMultiplyAdd(w, v3, d3);
        }
        VectorKernel.Store(a0, b0, c0, d0, y);
        VectorKernel.Store(a1, b1, c1, d1, y + PanelRows);
        VectorKernel.Store(a2, b2, c2, d2, y + 2 * PanelRows);
        VectorKernel.Store(a3, b3, c3, d3, y + 3 * PanelRows);
    }
}
