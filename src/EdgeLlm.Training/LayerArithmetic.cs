using System.Buffers;
using System.Numerics.Tensors;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Models;
using EdgeLlm.Models.Spec;
using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Training;

/// <summary>Queries, keys and values of some windows, or the derivatives by them: [tokens, heads * dimension].</summary>
internal readonly record struct AttentionArrays(float[] Queries, float[] Keys, float[] Values);

/// <summary>
/// The arithmetic of steps other than matrices, forwards and backwards, in floats, for all tokens of some windows at once: arrays are
/// [tokens, width]. A backward method turns the loss's derivatives by its output into those by its input.
/// </summary>
/// <param name="length">Tokens of a window.</param>
internal sealed class LayerArithmetic(int length)
{
    private const int TokenBlock = 64;

    private readonly int _length = length;
    private readonly Dictionary<RopeSpec, (float[] Cosines, float[] Sines)> _angles = []; // [length, pairs]

    /// <summary>y = x / sqrt(mean(x x) + epsilon) * weight + bias; of a layer norm, x without its mean.</summary>
    public void Normalize(NormSpec norm, FloatRows x, float[] weight, FloatRows y, int tokens, float[]? bias = null) =>
        ForTokens(tokens, t =>
    {
        int width = weight.Length;
        ReadOnlySpan<float> input = x.Row(t, width);
        Span<float> output = y.Row(t, width);
        if (norm.IsCentered)
        {
            TensorPrimitives.Subtract(input, Mean(input), output);
            input = output;
        }
        TensorPrimitives.Multiply(input, InverseNorm(norm, input), output);
        TensorPrimitives.Multiply(output, weight, output);
        if (bias is not null) TensorPrimitives.Add(output, bias, output);
    });

    /// <summary>dx += the derivatives by x; <paramref name="weightGradient"/>, where it is there, is added to.</summary>
    public void NormalizeBackward(NormSpec norm, FloatRows x, float[] weight, float[] dy, float[] dx, float[]? weightGradient, int tokens)
    {
        int width = weight.Length;
        ForTokens(tokens, t =>
        {
            scoped ReadOnlySpan<float> input = x.Row(t, width), output = dy.AsSpan(t * width, width);
            Span<float> target = dx.AsSpan(t * width, width), weighted = stackalloc float[width],
                centered = stackalloc float[norm.IsCentered ? width : 0];
            if (norm.IsCentered) input = Centered(input, centered);
            float inverse = InverseNorm(norm, input);
            TensorPrimitives.Multiply(output, weight, weighted);
            float shared = Reductions.Dot(weighted, input) * inverse * inverse * inverse / width;
            for (int i = 0; i < width; i++) target[i] += inverse * weighted[i] - shared * input[i];
            if (norm.IsCentered) TensorPrimitives.Subtract(target, inverse * Mean(weighted), target);
        });
        if (weightGradient is null) return;
        float[] centered = norm.IsCentered ? new float[width] : [];
        for (int t = 0; t < tokens; t++)
        {
            ReadOnlySpan<float> input = x.Row(t, width), output = dy.AsSpan(t * width, width);
            if (norm.IsCentered) input = Centered(input, centered);
            float inverse = InverseNorm(norm, input);
            for (int i = 0; i < width; i++) weightGradient[i] += output[i] * input[i] * inverse;
        }
    }

    /// <summary>Rotates queries or keys by their positions; backwards by the opposite angles.</summary>
    public void Rotate(AttentionSpec attention, float[] x, int heads, int tokens, bool backward = false)
    {
        RopeSpec rope = attention.Rope!;
        (float[] allCosines, float[] allSines) = AnglesOf(rope);
        int dimension = attention.Dimension, pairs = rope.Dimension / 2, step = rope.IsSplit ? 1 : 2, next = rope.IsSplit ? pairs : 1;
        ForTokens(tokens, t =>
        {
            int position = t % _length;
            ReadOnlySpan<float> cosines = allCosines.AsSpan(position * pairs, pairs), sines = allSines.AsSpan(position * pairs, pairs);
            for (int head = 0; head < heads; head++)
            {
                Span<float> numbers = x.AsSpan((t * heads + head) * dimension, dimension);
                for (int i = 0; i < cosines.Length; i++)
                {
                    ref float first = ref numbers[step * i], second = ref numbers[step * i + next];
                    float a = first, b = second, sine = backward ? -sines[i] : sines[i];
                    first = a * cosines[i] - b * sine;
                    second = a * sine + b * cosines[i];
                }
            }
        });
    }

    /// <summary>output = softmax(queries keys' / sqrt(dimension)) values, each token seeing those of its window up to itself.</summary>
    public void Attend(AttentionSpec attention, AttentionArrays x, float[] output, int tokens) =>
        ForHeads(attention, tokens, (window, head, shared) =>
    {
        float[] scores = ArrayPool<float>.Shared.Rent(TokenBlock * _length);
        for (int first = 0; first < _length; first += TokenBlock)
        {
            MatrixView probabilities = Probabilities(attention, x, scores, new Place(window, head, shared, first));
            MatrixMultiplier.MultiplyHere(probabilities, KeyRows(attention, x.Values, window, shared, probabilities.Columns),
                QueryRows(attention, output, new Place(window, head, shared, first), probabilities.Rows));
        }
        ArrayPool<float>.Shared.Return(scores);
    });

    /// <summary>The derivatives d by queries, keys and values, which are overwritten.</summary>
    public void AttendBackward(AttentionSpec attention, AttentionArrays x, float[] dOutput, AttentionArrays d, int tokens)
    {
        Array.Clear(d.Keys);
        Array.Clear(d.Values);
        int keyValueHeads = attention.KeyValueHeads, group = attention.GroupSize;
        Parallel.For(0, tokens / _length * keyValueHeads, index =>
        {
            int window = index / keyValueHeads, shared = index % keyValueHeads;
            float[] scores = ArrayPool<float>.Shared.Rent(TokenBlock * _length),
                dScores = ArrayPool<float>.Shared.Rent(TokenBlock * _length);
            for (int head = shared * group; head < (shared + 1) * group; head++)
            {
                for (int first = 0; first < _length; first += TokenBlock)
                {
                    var place = new Place(window, head, shared, first);
                    MatrixView p = Probabilities(attention, x, scores, place);
                    MatrixView dp = new(dScores, 0, p.Rows, p.Columns, p.RowStride, 1), dOut = QueryRows(attention, dOutput, place, p.Rows);
                    MatrixMultiplier.MultiplyHere(p.Transposed, dOut,
                        KeyRows(attention, d.Values, window, shared, p.Columns), accumulate: true);
                    MatrixMultiplier.MultiplyHere(dOut, KeyRows(attention, x.Values, window, shared, p.Columns).Transposed, dp);
                    for (int r = 0; r < p.Rows; r++)
                    {
                        ReadOnlySpan<float> probability = scores.AsSpan(r * p.RowStride, p.Columns);
                        Span<float> derivative = dScores.AsSpan(r * p.RowStride, p.Columns);
                        TensorPrimitives.Subtract(derivative, Reductions.Dot(probability, derivative), derivative);
                        TensorPrimitives.Multiply(derivative, probability, derivative);
                        TensorPrimitives.Multiply(derivative, attention.Scale, derivative);
                    }
                    MatrixMultiplier.MultiplyHere(dp, KeyRows(attention, x.Keys, window, shared, p.Columns),
                        QueryRows(attention, d.Queries, place, p.Rows));
                    MatrixMultiplier.MultiplyHere(dp.Transposed, QueryRows(attention, x.Queries, place, p.Rows),
                        KeyRows(attention, d.Keys, window, shared, p.Columns), accumulate: true);
                }
            }
            ArrayPool<float>.Shared.Return(scores);
            ArrayPool<float>.Shared.Return(dScores);
        });
    }

    /// <summary>y = f(gate) * up, or f(gate) without an up; y is neither of them.</summary>
    public static void Activate(Activation activation, FloatRows gate, FloatRows? up, FloatRows y, int count) =>
        ForSpans(count, (start, length) =>
    {
        Span<float> output = y.Span(count).Slice(start, length);
        ReadOnlySpan<float> input = gate.Span(count).Slice(start, length);
        if (activation == Activation.Silu)
        {
            TensorPrimitives.Sigmoid(input, output);
            TensorPrimitives.Multiply(output, input, output);
        }
        else
        {
            for (int i = 0; i < length; i++) output[i] = ActivationFunctions.Of(activation, input[i]);
        }
        if (up is { } factors) TensorPrimitives.Multiply(output, factors.Span(count).Slice(start, length), output);
    });

    /// <summary>The derivatives by gate and up.</summary>
    public static void ActivateBackward(Activation activation, FloatRows gate, FloatRows? up, float[] dy, float[] dGate,
        float[]? dUp, int count) =>
        ForSpans(count, (start, length) =>
    {
        ReadOnlySpan<float> input = gate.Span(count).Slice(start, length),
            factors = up is { } rows ? rows.Span(count).Slice(start, length) : default;
        Span<float> byGate = dGate.AsSpan(start, length), byUp = dUp is null ? default : dUp.AsSpan(start, length);
        if (activation == Activation.Silu) TensorPrimitives.Sigmoid(input, byGate);
        for (int i = 0; i < length; i++)
        {
            float x = input[i], d = dy[start + i], byValue = dUp is null ? d : d * factors[i];
            if (activation == Activation.Silu)
            {
                float sigmoid = byGate[i];
                if (dUp is not null) byUp[i] = d * x * sigmoid;
                byGate[i] = byValue * sigmoid * (1 + x * (1 - sigmoid));
            }
            else
            {
                if (dUp is not null) byUp[i] = d * ActivationFunctions.Of(activation, x);
                byGate[i] = byValue * ActivationSlopes.Of(activation, x);
            }
        }
    });

    private static void ForSpans(int count, Action<int, int> action)
    {
        const int Length = 1 << 14;
        Parallel.For(0, (count + Length - 1) / Length, i => action(i * Length, Math.Min(Length, count - i * Length)));
    }

    private static void ForTokens(int tokens, Action<int> action)
    {
        const int Block = 32;
        Parallel.For(0, (tokens + Block - 1) / Block, block =>
        {
            for (int t = block * Block; t < Math.Min(tokens, (block + 1) * Block); t++) action(t);
        });
    }

    private void ForHeads(AttentionSpec attention, int tokens, Action<int, int, int> action)
    {
        int heads = attention.Heads, group = attention.GroupSize;
        Parallel.For(0, tokens / _length * heads, index => action(index / heads, index % heads, index % heads / group));
    }

    private static float InverseNorm(NormSpec norm, ReadOnlySpan<float> x) =>
        1 / MathF.Sqrt(Reductions.SumOfSquares(x) / x.Length + norm.Epsilon);

    private static float Mean(ReadOnlySpan<float> x) => Reductions.Sum(x) / x.Length;

    /// <summary>y = x without its mean.</summary>
    private static Span<float> Centered(scoped ReadOnlySpan<float> x, Span<float> y)
    {
        TensorPrimitives.Subtract(x, Mean(x), y);
        return y;
    }

    private (float[] Cosines, float[] Sines) AnglesOf(RopeSpec rope)
    {
        if (_angles.TryGetValue(rope, out (float[] Cosines, float[] Sines) angles)) return angles;
        var frequencies = new RopeFrequencies(rope, _length);
        int pairs = frequencies.Pairs;
        angles = (new float[_length * pairs], new float[_length * pairs]);
        for (int position = 0; position < _length; position++)
            frequencies.Angles(position, angles.Cosines.AsSpan(position * pairs, pairs), angles.Sines.AsSpan(position * pairs, pairs));
        _angles.Add(rope, angles);
        return angles;
    }

    /// <summary>Attention probabilities of a block of queries: [block, keys up to the block's end].</summary>
    private MatrixView Probabilities(AttentionSpec attention, AttentionArrays x, float[] scores, Place place)
    {
        int first = place.First, rows = Math.Min(TokenBlock, _length - first), columns = first + rows;
        var result = new MatrixView(scores, 0, rows, columns, _length, 1);
        MatrixMultiplier.MultiplyHere(QueryRows(attention, x.Queries, place, rows),
            KeyRows(attention, x.Keys, place.Window, place.Shared, columns).Transposed, result);
        float[] slopes = attention.MaxAlibiBias == 0 ? [] : new float[attention.Heads];
        if (slopes.Length > 0) attention.AlibiSlopes(slopes);
        for (int r = 0; r < rows; r++)
        {
            Span<float> row = scores.AsSpan(r * _length, columns);
            int position = first + r, seen = attention.Window > 0 ? Math.Max(0, position + 1 - attention.Window) : 0;
            row[..seen].Clear();
            row[(position + 1)..].Clear();
            Span<float> visible = row[seen..(position + 1)];
            TensorPrimitives.Multiply(visible, attention.Scale, visible);
            for (int j = 0; j < visible.Length && slopes.Length > 0; j++) visible[j] -= slopes[place.Head] * (visible.Length - 1 - j);
            TensorPrimitives.Subtract(visible, TensorPrimitives.Max<float>(visible), visible);
            TensorPrimitives.Exp<float>(visible, visible);
            TensorPrimitives.Multiply(visible, 1 / Reductions.Sum(visible), visible);
        }
        return result;
    }

    /// <summary>A block of queries, or what is made of them.</summary>
    private MatrixView QueryRows(AttentionSpec attention, float[] x, Place place, int count) =>
        new(x, (place.Window * _length + place.First) * attention.QueryWidth + place.Head * attention.Dimension, count, attention.Dimension,
            attention.QueryWidth, 1);

    /// <summary>A window's first keys or values of a head.</summary>
    private MatrixView KeyRows(AttentionSpec attention, float[] x, int window, int head, int count) =>
        new(x, window * _length * attention.KeyValueWidth + head * attention.Dimension, count, attention.Dimension,
            attention.KeyValueWidth, 1);

    /// <param name="Shared">The head of keys and values that the query head looks at.</param>
    /// <param name="First">The block's first token in the window.</param>
    private readonly record struct Place(int Window, int Head, int Shared, int First);
}
