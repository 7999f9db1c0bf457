using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization;

/// <summary>
/// The table of E3 and the choice of its codes. Eight weights form a ring whose neighbours share a bit: the code of a weight is s + 2u, s
/// the upper bit of the code before it, the last one's before the first. The best codes of a ring are the cheapest of the paths through the
/// two states of s, with either state at the start (Viterbi's algorithm).
/// </summary>
internal sealed class RingCodebook
{
    /// <summary>Weights of a ring.</summary>
    public const int Length = 8;

    private const int Codes = PackedLayout.FourBitCodes;
    private const int Run = PackedLayout.BlockColumns;
    private const int Scales = 9; // tried with either sign

    private readonly float[] _table;
    private readonly float _largest;

    public RingCodebook(ReadOnlySpan<sbyte> values)
    {
        Values = values.ToArray();
        _table = [.. Values.Select(value => (float)value)];
        _largest = _table.Max(MathF.Abs);
    }

    /// <summary>
    /// 16 quantiles of the normal distribution, so that each state has values over all of the range and each next state too.
    /// </summary>
    public static RingCodebook Normal { get; } = new([-63, -45, 2, 7, -20, -14, 23, 30, -34, -26, 12, 17, -8, -3, 39, 55]);

    /// <summary>By code.</summary>
    public sbyte[] Values { get; }

    /// <summary>The column of a block of 32 whose weight has this place, ring after ring.</summary>
    public static int ColumnOf(int place) => 4 * (place % Length) + place / Length;

    /// <summary>Brings each 32 columns of rows into the order of rings.</summary>
    public static void Order(Span<float> rows)
    {
        Span<float> ordered = stackalloc float[Run];
        for (; rows.Length > 0; rows = rows[Run..])
        {
            for (int place = 0; place < Run; place++) ordered[place] = rows[ColumnOf(place)];
            ordered.CopyTo(rows);
        }
    }

    /// <summary>The bits of a ring.</summary>
    public static int Pack(ReadOnlySpan<byte> codes)
    {
        int ring = 0;
        for (int j = 0; j < Length; j++) ring |= (codes[j] & 7) << 3 * j; // a code's upper bit is the next one's lowest
        return ring;
    }

    /// <summary>The table that a sample asks for: scales and codes, and the values that they ask for, take turns.</summary>
    /// <param name="sample">Whole rows, in the order of rings.</param>
    /// <param name="importance">Of each column, in the order of rings: [columns].</param>
    public static RingCodebook Learn(ReadOnlySpan<float> sample, ReadOnlySpan<float> importance)
    {
        const int Rounds = 5;
        RingCodebook current = Normal;
        Span<byte> codes = stackalloc byte[Run];
        for (int round = 0; round < Rounds; round++)
        {
            double[] products = new double[Codes], squares = new double[Codes];
            for (int start = 0; start < sample.Length; start += Run)
            {
                ReadOnlySpan<float> run = sample.Slice(start, Run), counts = importance.Slice(start % importance.Length, Run);
                float scale = current.FindScale(run, counts);
                if (scale == 0) continue;
                current.Choose(run, counts, 1 / scale, codes);
                for (int k = 0; k < Run; k++)
                {
                    products[codes[k]] += (double)counts[k] * scale * run[k];
                    squares[codes[k]] += (double)counts[k] * scale * scale;
                }
            }
            double[] moved =
                [.. Enumerable.Range(0, Codes).Select(code => squares[code] > 0 ? products[code] / squares[code] : current.Values[code])];
            double largest = moved.Max(Math.Abs);
            current = new RingCodebook([.. moved.Select(value => (sbyte)Math.Round(value * PackedLayout.CodebookLimit / largest))]);
        }
        return current;
    }

    /// <summary>The scale d that makes sum w (x - d t)^2 small for a run of 32 in the order of rings; 0 where all are 0.</summary>
    public float FindScale(ReadOnlySpan<float> x, ReadOnlySpan<float> importance)
    {
        float most = 0, bestScore = 0, best = 0;
        for (int k = 0; k < Run; k++) most = MathF.Max(most, MathF.Abs(x[k]));
        if (!(most >= 1e-30f) || !float.IsFinite(most)) return 0;
        Span<byte> codes = stackalloc byte[Run];
        for (int step = 0; step < 2 * Scales; step++)
        {
            float scale = most / _largest * (0.5f + 0.65f * (step / 2) / (Scales - 1)) * (step % 2 == 0 ? 1 : -1),
                products = 0, squares = 1e-20f;
            Choose(x, importance, 1 / scale, codes);
            for (int k = 0; k < Run; k++)
            {
                float value = _table[codes[k]];
                products += importance[k] * x[k] * value;
                squares += importance[k] * value * value;
            }
            float score = products * products / squares;
            if (score > bestScore) (bestScore, best) = (score, products / squares);
        }
        return best;
    }

    /// <summary>The codes of whole rings, without feedback.</summary>
    public void Choose(ReadOnlySpan<float> x, ReadOnlySpan<float> importance, float inverse, Span<byte> codes)
    {
        for (int start = 0; start < x.Length; start += Length)
            Choose(x.Slice(start, Length), default, importance.Slice(start, Length), inverse, default, 0, codes.Slice(start, Length));
    }

    /// <summary>The codes of a ring.</summary>
    /// <param name="x">Eight weights, with what they make up for so far.</param>
    /// <param name="targets">The weights without that; empty: nothing is made up for.</param>
    /// <param name="counts">What their errors count.</param>
    /// <param name="inverse">One over the scale.</param>
    /// <param name="factor">What a later weight makes up for of an earlier target's error, [earlier, later].</param>
    /// <param name="stride">From one of its rows to the next.</param>
    public void Choose(ReadOnlySpan<float> x, ReadOnlySpan<float> targets, ReadOnlySpan<float> counts, float inverse,
        ReadOnlySpan<float> factor, int stride, Span<byte> codes)
    {
        float least = float.PositiveInfinity;
        Span<float> paths = stackalloc float[2 * Length], moved = stackalloc float[2 * Length], costs = stackalloc float[2],
            nextCosts = stackalloc float[2]; // [states][weights]
        Span<byte> taken = stackalloc byte[2 * Length], nextTaken = stackalloc byte[2 * Length], chosen = stackalloc byte[2];
        for (int start = 0; start < 2; start++)
        {
            for (int k = 0; k < Length; k++) paths[k] = paths[Length + k] = x[k] * inverse;
            costs.Fill(float.PositiveInfinity);
            costs[start] = 0;
            for (int j = 0; j < Length; j++)
            {
                nextCosts.Fill(float.PositiveInfinity);
                chosen[0] = 0;
                chosen[1] = Codes / 2;
                for (int code = 0; code < Codes; code++)
                {
                    float error = paths[(code & 1) * Length + j] - _table[code], cost = costs[code & 1] + error * error * counts[j];
                    if (cost < nextCosts[code >> 3]) (nextCosts[code >> 3], chosen[code >> 3]) = (cost, (byte)code);
                }
                for (int next = 0; next < 2; next++)
                {
                    int from = (chosen[next] & 1) * Length, to = next * Length;
                    paths.Slice(from, Length).CopyTo(moved[to..]);
                    taken.Slice(from, Length).CopyTo(nextTaken[to..]);
                    nextTaken[to + j] = chosen[next];
                    if (targets.IsEmpty) continue;
                    float error = targets[j] * inverse - _table[chosen[next]];
                    for (int later = j + 1; later < Length; later++) moved[to + later] += error * factor[j * stride + later];
                }
                moved.CopyTo(paths);
                nextTaken.CopyTo(taken);
                nextCosts.CopyTo(costs);
            }
            if (!(costs[start] < least)) continue;
            least = costs[start];
            taken.Slice(start * Length, Length).CopyTo(codes);
        }
        if (float.IsPositiveInfinity(least)) codes.Clear(); // weights that are no numbers
    }
}
