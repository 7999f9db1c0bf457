using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization.Standard;

/// <summary>
/// Searches the scale (and minimum) under which the values of a run come nearest to evenly spaced levels, or to IQ4_NL's table. Errors are
/// weighted; runs are a multiple of 8 values, at most 32 of them.
/// </summary>
internal static class LevelFit
{
    /// <summary>
    /// The scale d that makes sum w (x - d q)^2 small, q = x / d rounded and held to <paramref name="lowest"/> to
    /// <paramref name="highest"/>.
    /// </summary>
    public static float Scale(ReadOnlySpan<float> x, ReadOnlySpan<float> w, int lowest, int highest)
    {
        const int Steps = 7;
        const float Step = 0.1f;
        float largest = Largest(x);
        if (MathF.Abs(largest) < 1e-15f) return 0;
        float best = 0, scale = 0;
        foreach (int end in (ReadOnlySpan<int>)[lowest, highest])
        {
            // Around the scale that puts the largest value on an end, a tenth of a level at a time.
            for (int step = -Steps; step <= Steps; step++) Try((end + Step * step) / largest, x, w, lowest, highest, ref best, ref scale);
        }
        // The least squares' own scale may round some values otherwise.
        for (int round = 0; round < 2 && scale != 0; round++) Try(1 / scale, x, w, lowest, highest, ref best, ref scale);
        return scale;
    }

    /// <summary>Best scale for IQ4_NL's table.</summary>
    public static float TableScale(ReadOnlySpan<float> x, ReadOnlySpan<float> w)
    {
        const int Steps = 9;
        const float Step = 0.02f;
        float largest = Largest(x);
        if (MathF.Abs(largest) < 1e-15f) return 0;
        float best = 0, scale = 0;
        foreach (int end in (ReadOnlySpan<int>)[CodePoints.IQ4[0], CodePoints.IQ4[^1]])
        {
            for (int step = -Steps; step <= Steps; step++) TryTable(end * (1 + Step * step) / largest, x, w, ref best, ref scale);
        }
        for (int round = 0; round < 2 && scale != 0; round++) TryTable(1 / scale, x, w, ref best, ref scale);
        return scale;
    }

    /// <summary>Scale and minimum that make sum w (x - d q - m)^2 small, q from 0 to <paramref name="levels"/>.</summary>
    /// <param name="belowZero">The minimum must not be above zero (the k-quants store how far below it is).</param>
    public static (float Scale, float Minimum) ScaleAndMinimum(ReadOnlySpan<float> x, ReadOnlySpan<float> w, int levels, bool belowZero)
    {
        const int Steps = 24;
        const float Step = 0.125f;
        float smallest = float.MaxValue, largest = float.MinValue;
        Vector256<float> sumW = Vector256<float>.Zero, sumX = sumW;
        for (int j = 0; j < x.Length; j += 8)
        {
            Vector256<float> values = Vector256.Create(x[j..]), weights = Vector256.Create(w[j..]);
            sumW += weights;
            sumX += weights * values;
        }
        foreach (float value in x)
        {
            smallest = MathF.Min(smallest, value);
            largest = MathF.Max(largest, value);
        }
        if (belowZero) smallest = MathF.Min(smallest, 0);
        float range = largest - smallest, sw = Vector256.Sum(sumW), sx = Vector256.Sum(sumX);
        if (range < 1e-15f || sw <= 0) return (0, smallest);

        float best = float.MinValue;
        (float Scale, float Minimum) result = (range / levels, smallest);
        for (int trial = 0; trial <= Steps + 4; trial++)
        {
            // First around the plain range, then what the least squares found: under it some values may round otherwise.
            (float factor, float start) = trial <= Steps ? ((levels + Step * (trial - Steps / 2)) / range, smallest)
                : (1 / result.Scale, result.Minimum);
            (float ql, float qq, float qx) = LevelSums(x, w, factor, start, levels);
            float determinant = sw * qq - ql * ql;
            if (determinant <= 0) continue;
            (float Scale, float Minimum) fit = ((sw * qx - sx * ql) / determinant, (qq * sx - ql * qx) / determinant);
            if (belowZero && fit.Minimum > 0) fit = (qx / qq, 0);
            float gain = fit.Scale * qx + fit.Minimum * sx; // what the fit takes off sum w x^2
            if (!(fit.Scale > 0) || gain <= best) continue;
            (best, result) = (gain, fit);
        }
        return result;
    }

    /// <summary>Of a k-quant's integer scale and minimum and those one away from them (0 to 63), the two with the smallest error.</summary>
    /// <param name="d">What the scale counts in.</param>
    /// <param name="dmin">What the minimum counts in.</param>
    public static (int Scale, int Minimum) Nearby(ReadOnlySpan<float> x, ReadOnlySpan<float> w, int levels, float d,
        float dmin, int scale, int minimum)
    {
        (int Scale, int Minimum) best = (scale, minimum);
        float smallest = float.MaxValue;
        for (int s = Math.Max(0, scale - 1); s <= Math.Min(63, scale + 1); s++)
        {
            for (int m = Math.Max(0, minimum - 1); m <= Math.Min(63, minimum + 1); m++)
            {
                float error = Error(x, w, levels, d * s, dmin * m);
                if (error < smallest) (smallest, best) = (error, (s, m));
            }
        }
        return best;
    }

    private static float Error(ReadOnlySpan<float> x, ReadOnlySpan<float> w, int levels, float scale, float offset)
    {
        float inverse = scale == 0 ? 0 : 1 / scale;
        Vector256<float> sum = Vector256<float>.Zero;
        for (int j = 0; j < x.Length; j += 8)
        {
            Vector256<float> above = Vector256.Create(x[j..]) + Vector256.Create(offset);
            Vector256<float> q = Vector256.MinNative(Vector256.MaxNative(Vector256.Round(above * inverse), Vector256<float>.Zero),
                Vector256.Create((float)levels));
            Vector256<float> difference = above - q * scale;
            sum += Vector256.Create(w[j..]) * difference * difference;
        }
        return Vector256.Sum(sum);
    }

    /// <summary>The value of the largest magnitude, with its sign.</summary>
    private static float Largest(ReadOnlySpan<float> x)
    {
        float largest = 0;
        foreach (float value in x) largest = MathF.Abs(value) > MathF.Abs(largest) ? value : largest;
        return largest;
    }

    private static void Try(float factor, ReadOnlySpan<float> x, ReadOnlySpan<float> w, int lowest, int highest,
        ref float best, ref float scale)
    {
        Vector256<float> xq = Vector256<float>.Zero, qq = xq;
        for (int j = 0; j < x.Length; j += 8)
        {
            Vector256<float> values = Vector256.Create(x[j..]);
            Vector256<float> q = Vector256.MinNative(Vector256.MaxNative(Vector256.Round(values * factor), Vector256.Create((float)lowest)),
                Vector256.Create((float)highest));
            Vector256<float> weighted = Vector256.Create(w[j..]) * q;
            xq += weighted * values;
            qq += weighted * q;
        }
        Keep(Vector256.Sum(xq), Vector256.Sum(qq), ref best, ref scale);
    }

    private static void TryTable(float factor, ReadOnlySpan<float> x, ReadOnlySpan<float> w, ref float best, ref float scale)
    {
        float xq = 0, qq = 0;
        for (int j = 0; j < x.Length; j++)
        {
            float q = CodePoints.IQ4[TableCode(x[j] * factor)], weighted = w[j] * q;
            xq += weighted * x[j];
            qq += weighted * q;
        }
        Keep(xq, qq, ref best, ref scale);
    }

    /// <summary>The code of IQ4_NL's value nearest to x.</summary>
    public static int TableCode(float x) => TableCodes[(int)Math.Clamp(2 * x + 256, 0, TableCodes.Length - 1)];

    // One for each half of a unit: the middle between two values is always a border.
    private static readonly byte[] TableCodes = CodebookSearch.NearestCodes(CodePoints.IQ4, 512);

    private static void Keep(float xq, float qq, ref float best, ref float scale)
    {
        if (qq <= 0 || xq * xq <= best * qq) return;
        best = xq * xq / qq;
        scale = xq / qq;
    }

    private static (float Levels, float Squares, float Products) LevelSums(ReadOnlySpan<float> x, ReadOnlySpan<float> w, float factor,
        float minimum, int levels)
    {
        Vector256<float> sum = Vector256<float>.Zero, squares = sum, products = sum;
        for (int j = 0; j < x.Length; j += 8)
        {
            Vector256<float> values = Vector256.Create(x[j..]);
            Vector256<float> q =
                Vector256.MinNative(Vector256.MaxNative(Vector256.Round((values - Vector256.Create(minimum)) * factor),
                    Vector256<float>.Zero), Vector256.Create((float)levels));
            Vector256<float> weighted = Vector256.Create(w[j..]) * q;
            sum += weighted;
            squares += weighted * q;
            products += weighted * values;
        }
        return (Vector256.Sum(sum), Vector256.Sum(squares), Vector256.Sum(products));
    }
}
