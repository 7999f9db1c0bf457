using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Quantization.Rounding;

/// <summary>
/// Rounds a matrix W for the cost tr(H_O E H_I E') of its errors E = W - Q: row by row and column by column, each making up for what those
/// before it lost (H = M D M', as
/// <see cref="Curvature"/> has it), with every sub-scale fitted when its run is reached; then by coordinate descent over codes and
/// sub-scales. On one thread, in an order that depends on the shape alone.
/// </summary>
/// <param name="inputs">H_I, of rotated inputs where the layout is rotated.</param>
/// <param name="outputs">H_O; null: rows do not make up for each other.</param>
/// <param name="importance">How much columns count when a run's scale is fitted.</param>
/// <param name="rings">E3's table in place of the codebook; columns are then in the order of rings in H_I and importance.</param>
internal sealed class TwoSidedRounder(PackedLayout layout, Codebook codebook, Curvature inputs, Curvature? outputs,
    ColumnImportance importance, RingCodebook? rings = null)
{
    private const float RingRoom = 1.08f; // of a row's scale: runs of rings ask for more when they are reached

    private readonly sbyte[] _values = rings?.Values ?? codebook.Values.ToArray();
    private const int BlockRows = 48; // a multiple of a product's tile

    private readonly int _columns = layout.Columns;
    private readonly int _run = layout.ScaleColumns;
    private readonly float[] _row = new float[layout.Columns]; // the row at hand with what it makes up for
    private readonly float[] _block = new float[BlockRows * layout.Columns];
    private float[] _errors = []; // [rows, columns]
    private byte[] _codes = [];   // [rows, columns]
    private sbyte[] _subScales = []; // [rows, columns / run]
    private float[] _rowScales = []; // [rows]

    /// <summary>The rounded matrix.</summary>
    /// <param name="weights">[rows, columns], not rotated.</param>
    /// <param name="sweeps">Rounds of coordinate descent.</param>
    public PackedMatrix Round(string name, float[] weights, int rows, int sweeps, CancellationToken cancellation)
    {
        if (layout.IsRotated || rings is not null)
        {
            weights = [.. weights];
            if (layout.IsRotated) Rotation.Store(weights);
            if (rings is not null) RingCodebook.Order(weights);
        }
        _errors = new float[(long)rows * _columns];
        _codes = new byte[_errors.Length];
        _subScales = new sbyte[_errors.Length / _run];
        _rowScales = new float[rows];
        ForBlocks(rows, cancellation, (first, count) => RoundBlock(weights, first, count));
        for (int sweep = 0; sweep < sweeps; sweep++) ForBlocks(rows, cancellation, (first, count) => DescendBlock(first, count, rows));
        return Pack(name, rows);
    }

    /// <summary>tr(H_O E H_I E') of the errors.</summary>
    public double Cost()
    {
        int rows = _rowScales.Length;
        float[] left = new float[_errors.Length], both = new float[_errors.Length];
        MatrixMultiplier.MultiplyHere(outputs is null ? Identity(rows) : new MatrixView(outputs.Moments, rows, rows),
            new MatrixView(_errors, rows, _columns), new MatrixView(left, rows, _columns));
        MatrixMultiplier.MultiplyHere(new MatrixView(left, rows, _columns), new MatrixView(inputs.Moments, _columns, _columns),
            new MatrixView(both, rows, _columns));
        double sum = 0;
        for (int i = 0; i < both.Length; i++) sum += (double)both[i] * _errors[i];
        return sum;
    }

    private static MatrixView Identity(int size)
    {
        float[] ones = new float[size * size];
        for (int k = 0; k < size; k++) ones[k * size + k] = 1;
        return new MatrixView(ones, size, size);
    }

    private static void ForBlocks(int rows, CancellationToken cancellation, Action<int, int> action)
    {
        for (int first = 0; first < rows; first += BlockRows)
        {
            cancellation.ThrowIfCancellationRequested();
            action(first, Math.Min(BlockRows, rows - first));
        }
    }

    /// <summary>Rounds a block. Feedback from rows above the block comes as one product, that of the block's own rows row by row.</summary>
    private void RoundBlock(float[] weights, int first, int count)
    {
        weights.AsSpan(first * _columns, count * _columns).CopyTo(_block);
        if (outputs is not null && first > 0)
        {
            var factor = new MatrixView(outputs.Factor, first, first, count, outputs.Size, 1);
            MatrixMultiplier.MultiplyHere(factor.Transposed, new MatrixView(_errors, first, _columns),
                new MatrixView(_block, count, _columns), accumulate: true);
        }
        for (int i = 0; i < count; i++)
        {
            Span<float> target = _block.AsSpan(i * _columns, _columns);
            for (int j = 0; j < i && outputs is not null; j++)
                TensorPrimitives.MultiplyAdd(ErrorsOf(first + j), outputs.Factor[(first + j) * outputs.Size + first + i], target, target);
            RoundRow(weights.AsSpan((first + i) * _columns, _columns), target, first + i);
        }
    }

    /// <param name="target">The weights with what the rows above lost.</param>
    private void RoundRow(ReadOnlySpan<float> weights, ReadOnlySpan<float> target, int row)
    {
        float largest = 0;
        for (int start = 0; start < _columns; start += _run)
            largest = MathF.Max(largest, MathF.Abs(FindScale(target.Slice(start, _run), start)));
        float rowScale = largest * (rings is null ? 1 : RingRoom) / layout.SubScaleLimit;
        if (!float.IsNormal(rowScale) || !float.IsFinite(1 / rowScale)) rowScale = 0;
        _rowScales[row] = rowScale;
        target.CopyTo(_row);
        Span<float> lost = stackalloc float[32], errors = ErrorsOf(row);
        for (int start = 0; start < _columns; start += _run)
        {
            Span<float> run = _row.AsSpan(start, _run);
            float scale = rowScale * SetSubScale(row, start, FindScale(run, start)), inverse = scale == 0 ? 0 : 1 / scale;
            for (int k = 0; k < _run; k++)
            {
                if (rings is not null && k % RingCodebook.Length == 0)
                    ChooseRing(run.Slice(k, RingCodebook.Length), target.Slice(start + k, RingCodebook.Length), inverse, row, start + k);
                byte code = rings is null ? codebook.Code(run[k] * inverse) : _codes[row * _columns + start + k];
                _codes[row * _columns + start + k] = code;
                float rounded = scale * _values[code];
                errors[start + k] = weights[start + k] - rounded;
                lost[k] = target[start + k] - rounded;
                int after = k + 1;
                TensorPrimitives.MultiplyAdd(inputs.Factor.AsSpan((start + k) * _columns + start + after, _run - after), lost[k],
                    run[after..], run[after..]);
            }
            Carry(start, lost[.._run]);
        }
    }

    private float FindScale(ReadOnlySpan<float> run, int start) =>
        rings is null ? codebook.FindScale(run, importance, start) : rings.FindScale(run, importance.Shares.AsSpan(start, _run));

    /// <summary>Codes of eight columns at once; each path makes up for its own errors.</summary>
    private void ChooseRing(ReadOnlySpan<float> weights, ReadOnlySpan<float> targets, float inverse, int row, int column) => rings!.Choose(
        weights, targets, inputs.Diagonal.AsSpan(column, RingCodebook.Length), inverse, inputs.Factor.AsSpan(column * _columns + column),
        _columns, _codes.AsSpan(row * _columns + column, RingCodebook.Length));

    /// <summary>Columns after a run make up for what it lost.</summary>
    private void Carry(int start, ReadOnlySpan<float> lost)
    {
        int next = start + _run;
        for (int k = 0; k < _run; k += 4)
        {
            ref float factor = ref MemoryMarshal.GetArrayDataReference(inputs.Factor);
            Vector256<float> a = Vector256.Create(lost[k]), b = Vector256.Create(lost[k + 1]), c = Vector256.Create(lost[k + 2]),
                d = Vector256.Create(lost[k + 3]);
            nuint row = (nuint)((start + k) * _columns), width = (nuint)_columns;
            ref float target = ref MemoryMarshal.GetArrayDataReference(_row);
            for (nuint i = (nuint)next; i < width; i += 8)
            {
                Vector256<float> sum =
                    Vector256.FusedMultiplyAdd(a, Vector256.LoadUnsafe(ref factor, row + i), Vector256.LoadUnsafe(ref target, i));
                sum = Vector256.FusedMultiplyAdd(b, Vector256.LoadUnsafe(ref factor, row + width + i), sum);
                sum = Vector256.FusedMultiplyAdd(c, Vector256.LoadUnsafe(ref factor, row + 2 * width + i), sum);
                Vector256.FusedMultiplyAdd(d, Vector256.LoadUnsafe(ref factor, row + 3 * width + i), sum).StoreUnsafe(ref target, i);
            }
        }
    }

    /// <summary>A run's sub-scale for a scale that suits it; never 0, which would lose the run.</summary>
    private int SetSubScale(int row, int start, float scale)
    {
        float rowScale = _rowScales[row], wanted = rowScale == 0 ? 0 : MathF.Round(scale / rowScale);
        int subScale = (int)Math.Clamp(wanted, -layout.SubScaleLimit, layout.SubScaleLimit);
        _subScales[SubScaleIndex(row, start)] = (sbyte)(subScale == 0 ? 1 : subScale);
        return _subScales[SubScaleIndex(row, start)];
    }

    /// <summary>Some rows of H_O E H_I as two products; what a row of the block changes is added to those below it.</summary>
    private void DescendBlock(int first, int count, int rows)
    {
        Span<float> change = new float[_columns];
        var errors = new MatrixView(_errors, rows, _columns);
        var left = new MatrixView(new float[count * _columns], count, _columns);
        if (outputs is null) _errors.AsSpan(first * _columns, count * _columns).CopyTo(left.Data);
        else
            MatrixMultiplier.MultiplyHere(
                new MatrixView(outputs.Moments, first * outputs.Size, count, rows, outputs.Size, 1), errors, left);
        MatrixMultiplier.MultiplyHere(left, new MatrixView(inputs.Moments, _columns, _columns), new MatrixView(_block, count, _columns));
        for (int i = 0; i < count; i++)
        {
            int row = first + i;
            Span<float> gradient = _block.AsSpan(i * _columns, _columns);
            float weight = outputs?.Moments[row * outputs.Size + row] ?? 1;
            gradient.CopyTo(change);
            for (int start = 0; start < _columns; start += _run)
            {
                DescendCodes(row, start, weight, gradient);
                DescendSubScale(row, start, weight, gradient);
            }
            if (outputs is null) continue;
            TensorPrimitives.Subtract(gradient, change, change);
            for (int j = i + 1; j < count; j++)
            {
                Span<float> below = _block.AsSpan(j * _columns, _columns);
                TensorPrimitives.MultiplyAdd(change, outputs.Moments[(first + j) * outputs.Size + row] / weight, below, below);
            }
        }
    }

    /// <summary>Each code takes its neighbour's place where that costs less.</summary>
    /// <param name="weight">H_O[row, row].</param>
    /// <param name="gradient">The row of H_O E H_I.</param>
    private void DescendCodes(int row, int start, float weight, Span<float> gradient)
    {
        float scale = _rowScales[row] * _subScales[SubScaleIndex(row, start)];
        ReadOnlySpan<sbyte> values = _values;
        Span<byte> codes = _codes.AsSpan(row * _columns, _columns);
        for (int k = start; k < start + _run; k++)
        {
            float bend = weight * inputs.Moments[k * _columns + k], least = 0, best = 0;
            int code = codes[k], chosen = code;
            int first = rings is null ? code - 1 : code & 9,
                last = rings is null ? code + 1 : first | 6; // of a ring's code the outer bits are its neighbours' too
            for (int other = first; other <= last; other += 2)
            {
                if (other < 0 || other >= values.Length || other == code) continue;
                float step = scale * (values[other] - values[code]), cost = step * step * bend - 2 * step * gradient[k];
                if (cost < least) (least, best, chosen) = (cost, step, other);
            }
            if (chosen == code) continue;
            codes[k] = (byte)chosen;
            Change(row, k, best, weight, gradient);
        }
    }

    private void DescendSubScale(int row, int start, float weight, Span<float> gradient)
    {
        float rowScale = _rowScales[row];
        if (rowScale == 0) return;
        Span<float> values = stackalloc float[_run];
        for (int k = 0; k < _run; k++) values[k] = _values[_codes[row * _columns + start + k]];
        float slope = Reductions.Dot(values, gradient.Slice(start, _run)), bend = 0;
        for (int k = 0; k < _run; k++)
            bend += values[k] * Reductions.Dot(values, inputs.Moments.AsSpan((start + k) * _columns + start, _run));
        ref sbyte subScale = ref _subScales[SubScaleIndex(row, start)];
        float moved = MathF.Round(subScale + slope / (weight * bend + 1e-30f) / rowScale);
        int after = float.IsFinite(moved) ? (int)Math.Clamp(moved, -layout.SubScaleLimit, layout.SubScaleLimit) : 0;
        if (after == 0 || after == subScale) return;
        float step = (after - subScale) * rowScale;
        subScale = (sbyte)after;
        for (int k = 0; k < _run; k++) Change(row, start + k, step * values[k], weight, gradient);
    }

    /// <summary>A rounded weight rises by <paramref name="step"/>.</summary>
    private void Change(int row, int column, float step, float weight, Span<float> gradient)
    {
        _errors[row * _columns + column] -= step;
        TensorPrimitives.MultiplyAdd(inputs.Moments.AsSpan(column * _columns, _columns), -step * weight, gradient, gradient);
    }

    private Span<float> ErrorsOf(int row) => _errors.AsSpan(row * _columns, _columns);

    private int SubScaleIndex(int row, int column) => (row * _columns + column) / _run;

    /// <summary>The bytes as docs/quantization.md has them.</summary>
    private PackedMatrix Pack(string name, int rows)
    {
        var tensor =
            new PackedTensor(name, layout.Packing, rows, _columns, PackedTensor.CodebookOf(_values)) { IsRotated = layout.IsRotated };
        byte[] data = new byte[tensor.ByteCount];
        for (int row = 0; row < rows; row++)
        {
            int lane = row % PackedLayout.GroupRows;
            Span<byte> group = data.AsSpan((int)(row / PackedLayout.GroupRows * layout.GroupBytes), (int)layout.GroupBytes);
            MemoryMarshal.Cast<byte, float>(group)[lane] = _rowScales[row];
            for (int run = 0; run < _columns / _run; run++)
                group[PackedLayout.SubScaleOffset + run * PackedLayout.GroupRows + lane] = (byte)_subScales[row * (_columns / _run) + run];
            Span<byte> codes = group[(int)layout.CodeOffset..];
            if (rings is null)
            {
                for (int k = 0; k < _columns; k++) layout.SetCode(codes, lane, k, _codes[row * _columns + k]);
                continue;
            }
            for (int k = 0; k < _columns; k += RingCodebook.Length)
                layout.SetRing(codes, lane, k / _run, k % _run / RingCodebook.Length,
                    RingCodebook.Pack(_codes.AsSpan(row * _columns + k, RingCodebook.Length)));
        }
        return new PackedMatrix(tensor, data);
    }
}
