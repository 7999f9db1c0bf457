using System.Runtime.Intrinsics;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization;

/// <summary>16 or 32 values from -63 to 63, rising, and the nearest of them to a number.</summary>
internal sealed class Codebook
{
    private readonly sbyte[] _values;
    private readonly CodebookSearch _search;

    public Codebook(ReadOnlySpan<sbyte> values)
    {
        _values = values.ToArray();
        Array.Sort(_values);
        _search = new CodebookSearch(_values);
    }

    /// <summary>ggml's table for IQ4_NL at half its size: close to the best for normally distributed weights.</summary>
    public static Codebook Normal { get; } = new([-63, -52, -42, -33, -25, -18, -11, -5, 1, 7, 13, 19, 27, 35, 45, 57]);

    /// <summary>32 even steps between -.97 and .97 through the inverse error function, the largest 63.</summary>
    public static Codebook NormalOf32 { get; } =
        new([-63, -49, -41, -36, -31, -28, -24, -21, -18, -16, -13, -10, -8, -6, -3, -1, 1, 3, 6, 8, 10, 13, 16, 18, 21, 24,
            28, 31, 36, 41, 49, 63]);

    /// <summary>Rising.</summary>
    public ReadOnlySpan<sbyte> Values => _values;

    public Vector256<sbyte> Vector => PackedTensor.CodebookOf(_values);

    /// <summary>The code of the value nearest to x.</summary>
    public byte Code(float x) => _search.Code(x);

    /// <summary>
    /// The codes of 32 columns as E4 packs them (<see cref="PackedLayout"/>): byte 4l + i has those of columns 4l + i and 16 + 4l + i.
    /// </summary>
    /// <param name="x">32 weights.</param>
    /// <param name="low">One over the scale of the first 16 columns.</param>
    /// <param name="high">The same of the others.</param>
    public Vector128<byte> Codes(ReadOnlySpan<float> x, float low, float high) => _search.Codes(x, low, high);

    /// <summary>
    /// The scale d that makes sum w (x - d * nearest(x / d))^2 small for the weights of one sub-scale (16 or 32): those which put the
    /// largest weight at or near either end of the codebook are tried, then d = sum(w x t) / sum(w t t) for the values t of the best.
    /// </summary>
    /// <param name="importance">w; null: all count alike.</param>
    /// <param name="start">The run's first column.</param>
    public float FindScale(ReadOnlySpan<float> x, ColumnImportance? importance = null, int start = 0) =>
        _search.FindScale(x, importance, start);

    /// <summary>
    /// The codebook that a tensor's weights ask for: from <see cref="Normal"/> or <see cref="NormalOf32"/> on, scales and codebook take
    /// turns in becoming the best for each other (Lloyd's algorithm); the one with the smallest squared error is kept.
    /// </summary>
    /// <param name="weights">A sample: whole runs of <paramref name="scaleColumns"/>; whole rows, where columns count differently.</param>
    /// <param name="importance">How much the error of each column counts: [columns]; empty: all alike.</param>
    /// <param name="codes">16 or 32 values.</param>
    public static Codebook Learn(ReadOnlySpan<float> weights, int scaleColumns, ReadOnlySpan<float> importance = default,
        int codes = PackedLayout.FourBitCodes)
    {
        var columns = importance.IsEmpty ? null : new ColumnImportance(importance, scaleColumns);
        const int Rounds = 6;
        Codebook current = codes == PackedLayout.FiveBitCodes ? NormalOf32 : Normal, best = current;
        double smallestError = double.MaxValue;
        for (int round = 0; round < Rounds; round++)
        {
            double[] products = new double[codes], squares = new double[codes];
            double error = 0;
            for (int start = 0; start < weights.Length; start += scaleColumns)
            {
                int column = importance.IsEmpty ? 0 : start % importance.Length;
                ReadOnlySpan<float> run = weights.Slice(start, scaleColumns),
                    counts = importance.IsEmpty ? default : importance.Slice(column, scaleColumns);
                float scale = current.FindScale(run, columns, column), inverse = scale == 0 ? 0 : 1 / scale;
                for (int k = 0; k < run.Length; k++)
                {
                    byte code = current.Code(run[k] * inverse);
                    float difference = run[k] - scale * current._values[code], weighted = counts.IsEmpty ? scale : counts[k] * scale;
                    error += (counts.IsEmpty ? 1 : counts[k]) * difference * difference;
                    products[code] += weighted * run[k];
                    squares[code] += weighted * scale;
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
        Span<double> moved = stackalloc double[_values.Length];
        double largest = 0;
        for (int code = 0; code < moved.Length; code++)
        {
            moved[code] = squares[code] > 0 ? products[code] / squares[code] : _values[code];
            largest = Math.Max(largest, Math.Abs(moved[code]));
        }
        Span<sbyte> values = stackalloc sbyte[_values.Length];
        for (int code = 0; code < moved.Length; code++)
            values[code] = (sbyte)Math.Round(moved[code] * (PackedLayout.CodebookLimit / largest));
        return new Codebook(values);
    }
}
