using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization;

/// <summary>16 values from -63 to 63, rising, and the nearest of them to a number.</summary>
internal sealed class Codebook
{
    // Cells half as wide as the step between integers: the middle between two values is always a border.
    private const int CellsPerUnit = 2;
    private const int Cells = 256;

    private readonly sbyte[] _values;
    private readonly byte[] _codes = new byte[Cells];
    private readonly float[] _nearest = new float[Cells];

    public Codebook(ReadOnlySpan<sbyte> values)
    {
        _values = values.ToArray();
        Array.Sort(_values);
        for (int cell = 0; cell < Cells; cell++)
        {
            double middle = (cell - Cells / 2 + 0.5) / CellsPerUnit;
            int code = 0;
            for (int other = 1; other < _values.Length; other++)
            {
                if (Math.Abs(_values[other] - middle) < Math.Abs(_values[code] - middle)) code = other;
            }
            _codes[cell] = (byte)code;
            _nearest[cell] = _values[code];
        }
    }

    /// <summary>ggml's table for IQ4_NL at half its size: close to the best for normally distributed weights.</summary>
    public static Codebook Normal { get; } = new([-63, -52, -42, -33, -25, -18, -11, -5, 1, 7, 13, 19, 27, 35, 45, 57]);

    /// <summary>16, rising.</summary>
    public ReadOnlySpan<sbyte> Values => _values;

    public Vector128<sbyte> Vector => Vector128.Create(_values);

    /// <summary>The code of the value nearest to x.</summary>
    public byte Code(float x) => _codes[(int)Math.Clamp(x * CellsPerUnit + Cells / 2, 0, Cells - 1)];

    /// <summary>
    /// The scale d that makes sum (x - d * nearest(x / d))^2 small for the weights of one sub-scale (a multiple of 16, up to 32): those which
    /// put the largest weight near either end of the codebook are tried, then d = sum(x t) / sum(t t) for the values t of the best.
    /// </summary>
    public float FindScale(ReadOnlySpan<float> x)
    {
        const int Steps = 4;
        const float Step = 0.04f;
        float largest = 0;
        foreach (float value in x) largest = MathF.Abs(value) > MathF.Abs(largest) ? value : largest;
        if (largest == 0) return 0;
        Span<float> t = stackalloc float[32];
        float best = 0, scale = 0;
        foreach (int end in (ReadOnlySpan<int>)[_values[0], _values[^1]])
        {
            for (int step = -Steps; step <= Steps; step++)
            {
                Nearest(x, end * (1 + Step * step) / largest, t);
                Vector256<float> xt = Vector256<float>.Zero, tt = xt;
                for (int j = 0; j < x.Length; j += 8)
                {
                    var values = Vector256.Create<float>(t[j..]);
                    xt += Vector256.Create(x[j..]) * values;
                    tt += values * values;
                }
                float products = Vector256.Sum(xt), squares = Vector256.Sum(tt);
                if (squares == 0 || products * products <= best * squares) continue;
                best = products * products / squares;
                scale = products / squares;
            }
        }
        return scale;
    }

    /// <summary>t = the values nearest to x * factor.</summary>
    private void Nearest(ReadOnlySpan<float> x, float factor, Span<float> t)
    {
        Span<int> cells = stackalloc int[32];
        var factors = Vector256.Create(factor * CellsPerUnit);
        for (int j = 0; j < x.Length; j += 8)
        {
            Vector256<float> cell = Vector256.Create(x[j..]) * factors + Vector256.Create(Cells / 2f);
            Vector256.ConvertToInt32(Vector256.Min(Vector256.Max(cell, Vector256<float>.Zero), Vector256.Create(Cells - 1f))).CopyTo(cells[j..]);
        }
        for (int j = 0; j < x.Length; j++) t[j] = _nearest[cells[j]];
    }

    /// <summary>
    /// The codebook that a tensor's weights ask for: from <see cref="Normal"/> on, scales and codebook take turns in becoming the best for each
    /// other (Lloyd's algorithm); the one with the smallest squared error is kept.
    /// </summary>
    /// <param name="weights">A sample: whole runs of <paramref name="scaleColumns"/>.</param>
    public static Codebook Learn(ReadOnlySpan<float> weights, int scaleColumns)
    {
        const int Rounds = 6;
        Codebook current = Normal, best = Normal;
        double smallestError = double.MaxValue;
        for (int round = 0; round < Rounds; round++)
        {
            double[] products = new double[PackedLayout.CodebookLength], squares = new double[PackedLayout.CodebookLength];
            double error = 0;
            for (int start = 0; start < weights.Length; start += scaleColumns)
            {
                ReadOnlySpan<float> run = weights.Slice(start, scaleColumns);
                float scale = current.FindScale(run), inverse = scale == 0 ? 0 : 1 / scale;
                foreach (float x in run)
                {
                    byte code = current.Code(x * inverse);
                    float difference = x - scale * current._values[code];
                    error += difference * difference;
                    products[code] += scale * x;
                    squares[code] += scale * scale;
                }
            }
            if (error < smallestError) (smallestError, best) = (error, current);
            current = current.Moved(products, squares);
        }
        return best;
    }

    /// <summary>Each value at the least squares of its weights, the largest magnitude at its limit.</summary>
    private Codebook Moved(ReadOnlySpan<double> products, ReadOnlySpan<double> squares)
    {
        Span<double> moved = stackalloc double[PackedLayout.CodebookLength];
        double largest = 0;
        for (int code = 0; code < moved.Length; code++)
        {
            moved[code] = squares[code] > 0 ? products[code] / squares[code] : _values[code];
            largest = Math.Max(largest, Math.Abs(moved[code]));
        }
        Span<sbyte> values = stackalloc sbyte[PackedLayout.CodebookLength];
        for (int code = 0; code < moved.Length; code++) values[code] = (sbyte)Math.Round(moved[code] * (PackedLayout.CodebookLimit / largest));
        return new Codebook(values);
    }
}
