using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization.Rounding;

internal sealed partial class RowGroup
{
    /// <summary>
    /// Coordinate descent: every weight in turn takes the value that is best given all others, then every sub-scale does (Behdin et al.,
    /// "QuantEase",
    /// 2023); the cost never rises.
    /// </summary>
    public void Descend(int sweeps)
    {
        for (int sweep = 0; sweep < sweeps; sweep++)
        {
            for (int start = 0; start < _columns; start += _run)
            {
                DescendValues(start);
                DescendSubScale(start);
            }
        }
    }

    /// <summary>The row scales that are best for codes and sub-scales as they are.</summary>
    public void RefitRowScales()
    {
        // scale * (1 + d) with d = (w~ G) / (w~ H w~) for the rounded weights w~ = w - e; H w~ = H w - G.
        Vector256<float>[] product = new Vector256<float>[_columns];
        Multiply(_weights, product);
        Vector256<float> slope = default, bend = default;
        for (int k = 0; k < _columns; k++)
        {
            Vector256<float> rounded = _weights[k] - _errors[k];
            slope += rounded * _gradient[k];
            bend += rounded * (product[k] - _gradient[k]);
        }
        Vector256<float> change = slope / Vector256.MaxNative(bend, Vector256.Create(1e-30f));
        _rowScale += _rowScale * change;
        for (int k = 0; k < _columns; k++)
        {
            _errors[k] -= (_weights[k] - _errors[k]) * change;
        }
        FindGradient();
    }

    /// <summary>Writes the eight rows as docs/quantization.md says.</summary>
    public void Write(Span<byte> group)
    {
        group.Clear();
        for (int row = 0; row < Lanes; row++) MemoryMarshal.Cast<byte, float>(group)[row] = _rowScale[row];
        for (int run = 0; run < _subScales.Length; run++)
        {
            for (int row = 0; row < Lanes; row++)
                group[PackedLayout.SubScaleOffset + run * Lanes + row] = (byte)(sbyte)_subScales[run][row];
        }
        Span<byte> codes = group[(int)_layout.CodeOffset..];
        for (int k = 0; k < _columns; k++)
        {
            for (int row = 0; row < Lanes; row++) _layout.SetCode(codes, row, k, _codebook.CodeOf(_values[k][row]));
        }
    }

    private void DescendValues(int start)
    {
        Vector256<float> scale = _subScales[start / _run] * _rowScale;
        Vector256<float> inverse = Vector256.ConditionalSelect(Vector256.Equals(scale, Vector256<float>.Zero), Vector256<float>.Zero,
            Vector256<float>.One / scale);
        for (int k = start; k < start + _run; k++)
        {
            Vector256<float> wanted = _values[k] + _gradient[k] * inverse / _curvature.Moments[k * _columns + k];
            Vector256<float> value = _codebook.Nearest(wanted);
            if (value == _values[k]) continue;
            Change(k, (value - _values[k]) * scale);
            _values[k] = value;
        }
    }

    private void DescendSubScale(int start)
    {
        Vector256<float> slope = default, bend = default;
        for (int k = start; k < start + _run; k++)
        {
            Vector256<float> unit = _values[k] * _rowScale, others = default;
            ref float row = ref _curvature.Moments[k * _columns];
            for (int j = start; j < start + _run; j++)
                others = Vector256.FusedMultiplyAdd(_values[j], Vector256.Create(Unsafe.Add(ref row, j)), others);
            slope += unit * _gradient[k];
            bend += unit * others * _rowScale;
        }
        Vector256<float> before = _subScales[start / _run];
        Vector256<float> after = Whole(before + slope / Vector256.MaxNative(bend, Vector256.Create(1e-30f)));
        if (after == before) return;
        _subScales[start / _run] = after;
        Vector256<float> change = (after - before) * _rowScale;
        for (int k = start; k < start + _run; k++) Change(k, _values[k] * change);
    }

    /// <summary>Column k of the rounded weights rises by <paramref name="change"/>.</summary>
    private void Change(int k, Vector256<float> change)
    {
        _errors[k] -= change;
        ref float row = ref _curvature.Moments[k * _columns];
        ref Vector256<float> gradient = ref _gradient[0];
        Vector256<float> negative = -change;
        for (int j = 0; j < _columns; j++)
            Unsafe.Add(ref gradient, j) =
                Vector256.FusedMultiplyAdd(negative, Vector256.Create(Unsafe.Add(ref row, j)), Unsafe.Add(ref gradient, j));
    }

    private void FindGradient() => Multiply(_errors, _gradient);

    /// <summary>y = x H.</summary>
    private void Multiply(Vector256<float>[] x, Vector256<float>[] y)
    {
        y.AsSpan(0, _columns).Clear();
        for (int column = 0; column < _columns; column += 8)
            AddProducts(x.AsSpan(0, _columns), _curvature.Moments, column, y.AsSpan(column, 8));
    }
}
