using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization.Rounding;

/// <summary>
/// Eight rows of a matrix on their way to E4, a row a lane: first rounded column by column with what earlier columns lost carried on to
/// later ones, each sub-scale chosen by trying; then codes and sub-scales improve one at a time under the whole curvature. Arrays are
/// [columns][8 lanes].
/// </summary>
internal sealed partial class RowGroup
{
    private const int Lanes = PackedLayout.GroupRows;

    private readonly PackedLayout _layout;
    private readonly Curvature _curvature;
    private readonly LaneCodebook _codebook;
    private readonly int _columns;
    private readonly int _run;
    private readonly Vector256<float>[] _weights;
    private readonly Vector256<float>[] _values;    // of the codebook
    private readonly Vector256<float>[] _errors;    // weight - rounded
    private readonly Vector256<float>[] _gradient;  // errors H
    private readonly Vector256<float>[] _subScales; // whole numbers
    private readonly Vector256<float>[] _carried;   // of the columns of a run: weight and what it has to make up for
    private readonly Vector256<float>[] _trial;
    private readonly Vector256<float>[] _bestValues;
    private readonly Vector256<float>[] _bestErrors;
    private Vector256<float> _rowScale;

    public RowGroup(PackedLayout layout, Curvature curvature, LaneCodebook codebook)
    {
        (_layout, _curvature, _codebook) = (layout, curvature, codebook);
        (_columns, _run) = (layout.Columns, layout.ScaleColumns);
        _weights = new Vector256<float>[_columns];
        _values = new Vector256<float>[_columns];
        _errors = new Vector256<float>[_columns];
        _gradient = new Vector256<float>[_columns];
        _subScales = new Vector256<float>[_columns / _run];
        _carried = new Vector256<float>[_run];
        _trial = new Vector256<float>[_run];
        _bestValues = new Vector256<float>[_run];
        _bestErrors = new Vector256<float>[_run];
    }

    /// <summary>Takes rows [up to 8, columns] and rounds them.</summary>
    public void Round(ReadOnlySpan<float> rows)
    {
        Span<float> lanes = stackalloc float[Lanes];
        for (int k = 0; k < _columns; k++)
        {
            for (int row = 0; row < Lanes; row++) lanes[row] = (row + 1) * _columns <= rows.Length ? rows[row * _columns + k] : 0;
            _weights[k] = Vector256.Create<float>(lanes);
        }
        ChooseRowScales();
        for (int start = 0; start < _columns; start += _run)
        {
            CarryInto(start);
            ChooseSubScale(start);
        }
        FindGradient();
    }

    /// <summary>The cost of each row's errors, summed over the rows.</summary>
    public double Cost()
    {
        Vector256<float> cost = default;
        for (int k = 0; k < _columns; k++) cost += _errors[k] * _gradient[k];
        return Vector256.Sum(cost);
    }

    /// <summary>Room for what the carried errors add to the largest weight.</summary>
    private void ChooseRowScales()
    {
        const float Room = 1.12f;
        Vector256<float> largest = default;
        foreach (Vector256<float> weight in _weights) largest = Vector256.MaxNative(largest, Vector256.Abs(weight));
        _rowScale = largest * (Room / (PackedLayout.CodebookLimit * _layout.SubScaleLimit));
        _rowScale &= Vector256.GreaterThan(_rowScale, Vector256.Create(1e-30f)); // whose inverse would not be finite: a row of zeros
    }

    /// <summary>carried = weights + what all runs before lost, as far as these columns can make up for it.</summary>
    private void CarryInto(int start)
    {
        for (int k = 0; k < _run; k += 8)
        {
            Span<Vector256<float>> carried = _carried.AsSpan(k, 8);
            _weights.AsSpan(start + k, 8).CopyTo(carried);
            AddProducts(_errors.AsSpan(0, start), _curvature.Factor, start + k, carried);
        }
    }

    /// <summary>sums += x M, for eight columns of a matrix [columns, columns].</summary>
    private void AddProducts(ReadOnlySpan<Vector256<float>> x, float[] matrix, int column, Span<Vector256<float>> sums)
    {
        ref float first = ref matrix[column];
        Vector256<float> s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3], s4 = sums[4], s5 = sums[5], s6 = sums[6], s7 = sums[7];
        for (int j = 0; j < x.Length; j++)
        {
            ref float m = ref Unsafe.Add(ref first, j * _columns);
            Vector256<float> e = x[j];
            s0 = Vector256.FusedMultiplyAdd(e, Vector256.Create(m), s0);
            s1 = Vector256.FusedMultiplyAdd(e, Vector256.Create(Unsafe.Add(ref m, 1)), s1);
            s2 = Vector256.FusedMultiplyAdd(e, Vector256.Create(Unsafe.Add(ref m, 2)), s2);
            s3 = Vector256.FusedMultiplyAdd(e, Vector256.Create(Unsafe.Add(ref m, 3)), s3);
            s4 = Vector256.FusedMultiplyAdd(e, Vector256.Create(Unsafe.Add(ref m, 4)), s4);
            s5 = Vector256.FusedMultiplyAdd(e, Vector256.Create(Unsafe.Add(ref m, 5)), s5);
            s6 = Vector256.FusedMultiplyAdd(e, Vector256.Create(Unsafe.Add(ref m, 6)), s6);
            s7 = Vector256.FusedMultiplyAdd(e, Vector256.Create(Unsafe.Add(ref m, 7)), s7);
        }
        (sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], sums[6], sums[7]) = (s0, s1, s2, s3, s4, s5, s6, s7);
    }

    /// <summary>
    /// Tries sub-scales that put the run's largest number near either end of the codebook, then their neighbours; keeps the cheapest of
    /// each lane.
    /// </summary>
    private void ChooseSubScale(int start)
    {
        Vector256<float> largest = default;
        for (int k = 0; k < _run; k++)
        {
            Vector256<float> magnitude = Vector256.Abs(_carried[k]);
            largest = Vector256.ConditionalSelect(Vector256.GreaterThan(magnitude, Vector256.Abs(largest)), _carried[k], largest);
        }
        var zero = Vector256.Equals(_rowScale, Vector256<float>.Zero);
        Vector256<float> inverse = Vector256.ConditionalSelect(zero, Vector256<float>.Zero, Vector256<float>.One / _rowScale);
        Vector256<float> bestCost = Vector256.Create(float.MaxValue), best = default;
        foreach (int end in (ReadOnlySpan<int>)[_codebook.Values[0], _codebook.Values[^1]])
        {
            Vector256<float> full = largest * inverse / Vector256.Create((float)end);
            foreach (float share in (ReadOnlySpan<float>)[0.72f, 0.8f, 0.87f, 0.94f, 1.01f, 1.08f]) Try(full * share);
        }
        foreach (int step in (ReadOnlySpan<int>)[3, -3, 1, -1]) Try(best + Vector256.Create((float)step));
        _subScales[start / _run] = best;
        for (int k = 0; k < _run; k++) (_values[start + k], _errors[start + k]) = (_bestValues[k], _bestErrors[k]);

        void Try(Vector256<float> subScale)
        {
            subScale = Whole(subScale);
            Vector256<float> cost = RoundRun(start, subScale);
            Vector256<float> better = Vector256.LessThan(cost, bestCost);
            bestCost = Vector256.ConditionalSelect(better, cost, bestCost);
            best = Vector256.ConditionalSelect(better, subScale, best);
            Vector256<float> scale = subScale * _rowScale;
            for (int k = 0; k < _run; k++)
            {
                _bestValues[k] = Vector256.ConditionalSelect(better, _trial[k], _bestValues[k]);
                _bestErrors[k] = Vector256.ConditionalSelect(better, _weights[start + k] - scale * _trial[k], _bestErrors[k]);
            }
        }
    }

    private Vector256<float> Whole(Vector256<float> subScale)
    {
        var limit = Vector256.Create((float)_layout.SubScaleLimit);
        return Vector256.MinNative(Vector256.MaxNative(Vector256.Round(subScale), -limit), limit);
    }

    /// <summary>
    /// Rounds a run with a sub-scale, each column making up for those before it; values to <see cref="_trial"/>, the cost returned.
    /// </summary>
    private Vector256<float> RoundRun(int start, Vector256<float> subScale)
    {
        Span<Vector256<float>> targets = stackalloc Vector256<float>[32];
        _carried.CopyTo(targets);
        Vector256<float> scale = subScale * _rowScale, cost = default;
        Vector256<float> inverse = Vector256.ConditionalSelect(Vector256.Equals(scale, Vector256<float>.Zero), Vector256<float>.Zero,
            Vector256<float>.One / scale);
        for (int k = 0; k < _run; k++)
        {
            Vector256<float> target = targets[k], value = _codebook.Nearest(target * inverse), left = target - scale * value;
            _trial[k] = value;
            cost += left * left * _curvature.Diagonal[start + k];
            Vector256<float> error = left - (targets[k] - _weights[start + k]);
            ref float factor = ref _curvature.Factor[(start + k) * _columns + start];
            ref Vector256<float> next = ref targets[0];
            for (int i = k + 1; i < _run; i++)
                Unsafe.Add(ref next, i) =
                    Vector256.FusedMultiplyAdd(error, Vector256.Create(Unsafe.Add(ref factor, i)), Unsafe.Add(ref next, i));
        }
        return cost;
    }
}
