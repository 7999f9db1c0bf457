using System.Buffers;
using System.Numerics.Tensors;
using EdgeLlm.Models;
using EdgeLlm.Quantization.Numerics;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>
/// What a llama layer does beside its matrices, forwards and backwards, in floats, for all tokens of some windows at once: arrays are
/// [tokens, width]. A backward method turns the loss' derivatives by its output into those by its input.
/// </summary>
internal sealed class LayerOperations
{
    private const int TokenBlock = 64;

    private readonly ModelConfig _config;
    private readonly int _length;
    private readonly int _pairs;
    private readonly float[] _cosines; // [length, pairs]
    private readonly float[] _sines;

    /// <param name="length">Tokens of a window.</param>
    public LayerOperations(ModelConfig config, int length)
    {
        (_config, _length) = (config, length);
        var rope = new RopeFrequencies(config.Attention.Rope!, length);
        _pairs = rope.Pairs;
        _cosines = new float[length * _pairs];
        _sines = new float[length * _pairs];
        for (int position = 0; position < length; position++)
            rope.Angles(position, _cosines.AsSpan(position * _pairs, _pairs), _sines.AsSpan(position * _pairs, _pairs));
    }

    /// <summary>y = x / sqrt(mean(x x) + epsilon) * weight.</summary>
    public void Normalize(float[] x, int start, float[] weight, float[] y, int tokens) => ForTokens(tokens, t =>
    {
        int width = weight.Length;
        ReadOnlySpan<float> input = x.AsSpan(start + t * width, width);
        Span<float> output = y.AsSpan(t * width, width);
        TensorPrimitives.Multiply(input, InverseNorm(input), output);
        TensorPrimitives.Multiply(output, weight, output);
    });

    /// <summary>dx += the derivatives by x; <paramref name="weightGradient"/>, where it is there, is added to.</summary>
    public void NormalizeBackward(float[] x, int start, float[] weight, float[] dy, float[] dx, float[]? weightGradient, int tokens)
    {
        int width = weight.Length;
        ForTokens(tokens, t =>
        {
            ReadOnlySpan<float> input = x.AsSpan(start + t * width, width), output = dy.AsSpan(t * width, width);
            Span<float> target = dx.AsSpan(t * width, width), weighted = stackalloc float[width];
            float inverse = InverseNorm(input);
            TensorPrimitives.Multiply(output, weight, weighted);
            float shared = Reductions.Dot(weighted, input) * inverse * inverse * inverse / width;
            for (int i = 0; i < width; i++) target[i] += inverse * weighted[i] - shared * input[i];
        });
        if (weightGradient is null) return;
        for (int t = 0; t < tokens; t++)
        {
            ReadOnlySpan<float> input = x.AsSpan(start + t * width, width), output = dy.AsSpan(t * width, width);
            float inverse = InverseNorm(input);
            for (int i = 0; i < width; i++) weightGradient[i] += output[i] * input[i] * inverse;
        }
    }

    /// <summary>Rotates queries or keys by their positions; backwards by the opposite angles.</summary>
    public void Rotate(float[] x, int heads, int tokens, bool backward = false) => ForTokens(tokens, t =>
    {
        int dimension = _config.HeadDimension, position = t % _length;
        ReadOnlySpan<float> cosines = _cosines.AsSpan(position * _pairs, _pairs), sines = _sines.AsSpan(position * _pairs, _pairs);
        for (int head = 0; head < heads; head++)
        {
            Span<float> numbers = x.AsSpan((t * heads + head) * dimension, dimension);
            for (int i = 0; i < cosines.Length; i++)
            {
                float a = numbers[2 * i], b = numbers[2 * i + 1], sine = backward ? -sines[i] : sines[i];
                numbers[2 * i] = a * cosines[i] - b * sine;
                numbers[2 * i + 1] = a * sine + b * cosines[i];
            }
        }
    });

    /// <summary>output = softmax(queries keys' / sqrt(dimension)) values, each token seeing those of its window up to itself.</summary>
    public void Attend(float[] queries, float[] keys, float[] values, float[] output, int tokens) => ForHeads(tokens, (window, head, shared) =>
    {
        float[] scores = ArrayPool<float>.Shared.Rent(TokenBlock * _length);
        for (int first = 0; first < _length; first += TokenBlock)
        {
            MatrixView probabilities = Probabilities(queries, keys, scores, window, head, shared, first);
            MatrixMultiplier.MultiplyHere(probabilities, Rows(values, shared, _config.KeyValueHeadCount, window, 0, probabilities.Columns),
                Rows(output, head, _config.HeadCount, window, first, probabilities.Rows));
        }
        ArrayPool<float>.Shared.Return(scores);
    });

    /// <summary>The derivatives by queries, keys and values, which are overwritten.</summary>
    public void AttendBackward(float[] queries, float[] keys, float[] values, float[] dOutput, float[] dQueries, float[] dKeys, float[] dValues, int tokens)
    {
        Array.Clear(dKeys);
        Array.Clear(dValues);
        float scale = 1f / MathF.Sqrt(_config.HeadDimension);
        int heads = _config.HeadCount, kvHeads = _config.KeyValueHeadCount, group = heads / kvHeads;
        Parallel.For(0, tokens / _length * kvHeads, index =>
        {
            int window = index / kvHeads, shared = index % kvHeads;
            float[] scores = ArrayPool<float>.Shared.Rent(TokenBlock * _length), dScores = ArrayPool<float>.Shared.Rent(TokenBlock * _length);
            for (int head = shared * group; head < (shared + 1) * group; head++)
            {
                for (int first = 0; first < _length; first += TokenBlock)
                {
                    MatrixView p = Probabilities(queries, keys, scores, window, head, shared, first);
                    MatrixView d = new(dScores, 0, p.Rows, p.Columns, p.RowStride, 1), dOut = Rows(dOutput, head, heads, window, first, p.Rows);
                    MatrixMultiplier.MultiplyHere(p.Transposed, dOut, Rows(dValues, shared, kvHeads, window, 0, p.Columns), accumulate: true);
                    MatrixMultiplier.MultiplyHere(dOut, Rows(values, shared, kvHeads, window, 0, p.Columns).Transposed, d);
                    for (int r = 0; r < p.Rows; r++)
                    {
                        ReadOnlySpan<float> probability = scores.AsSpan(r * p.RowStride, p.Columns);
                        Span<float> derivative = dScores.AsSpan(r * p.RowStride, p.Columns);
                        TensorPrimitives.Subtract(derivative, Reductions.Dot(probability, derivative), derivative);
                        TensorPrimitives.Multiply(derivative, probability, derivative);
                        TensorPrimitives.Multiply(derivative, scale, derivative);
                    }
                    MatrixMultiplier.MultiplyHere(d, Rows(keys, shared, kvHeads, window, 0, p.Columns), Rows(dQueries, head, heads, window, first, p.Rows));
                    MatrixMultiplier.MultiplyHere(d.Transposed, Rows(queries, head, heads, window, first, p.Rows), Rows(dKeys, shared, kvHeads, window, 0, p.Columns), accumulate: true);
                }
            }
            ArrayPool<float>.Shared.Return(scores);
            ArrayPool<float>.Shared.Return(dScores);
        });
    }

    /// <summary>y = silu(gate) * up; y is neither of them.</summary>
    public static void Activate(float[] gate, float[] up, float[] y, int count) => ForSpans(count, (start, length) =>
    {
        Span<float> output = y.AsSpan(start, length);
        TensorPrimitives.Sigmoid(gate.AsSpan(start, length), output);
        TensorPrimitives.Multiply(output, gate.AsSpan(start, length), output);
        TensorPrimitives.Multiply(output, up.AsSpan(start, length), output);
    });

    /// <summary>The derivatives by gate and up.</summary>
    public static void ActivateBackward(float[] gate, float[] up, float[] dy, float[] dGate, float[] dUp, int count) => ForSpans(count, (start, length) =>
    {
        Span<float> sigmoid = dGate.AsSpan(start, length);
        TensorPrimitives.Sigmoid(gate.AsSpan(start, length), sigmoid);
        for (int i = 0; i < length; i++)
        {
            float g = gate[start + i], s = sigmoid[i], d = dy[start + i];
            dUp[start + i] = d * g * s;
            sigmoid[i] = d * up[start + i] * s * (1 + g * (1 - s));
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

    private void ForHeads(int tokens, Action<int, int, int> action)
    {
        int heads = _config.HeadCount, group = heads / _config.KeyValueHeadCount;
        Parallel.For(0, tokens / _length * heads, index => action(index / heads, index % heads, index % heads / group));
    }

    private float InverseNorm(ReadOnlySpan<float> x) => 1 / MathF.Sqrt(Reductions.SumOfSquares(x) / x.Length + _config.NormEpsilon);

    /// <summary>What each of a block's tokens gives to each token up to the block's end: [block, that many].</summary>
    private MatrixView Probabilities(float[] queries, float[] keys, float[] scores, int window, int head, int shared, int first)
    {
        int rows = Math.Min(TokenBlock, _length - first), columns = first + rows;
        var result = new MatrixView(scores, 0, rows, columns, _length, 1);
        MatrixMultiplier.MultiplyHere(Rows(queries, head, _config.HeadCount, window, first, rows),
            Rows(keys, shared, _config.KeyValueHeadCount, window, 0, columns).Transposed, result);
        float scale = 1f / MathF.Sqrt(_config.HeadDimension);
        for (int r = 0; r < rows; r++)
        {
            Span<float> row = scores.AsSpan(r * _length, columns);
            int position = first + r, seen = _config.SlidingWindow > 0 ? Math.Max(0, position + 1 - _config.SlidingWindow) : 0;
            row[..seen].Clear();
            row[(position + 1)..].Clear();
            Span<float> visible = row[seen..(position + 1)];
            TensorPrimitives.Multiply(visible, scale, visible);
            TensorPrimitives.Subtract(visible, TensorPrimitives.Max<float>(visible), visible);
            TensorPrimitives.Exp<float>(visible, visible);
            TensorPrimitives.Multiply(visible, 1 / Reductions.Sum(visible), visible);
        }
        return result;
    }

    /// <summary>Some tokens of a window, one head.</summary>
    private MatrixView Rows(float[] x, int head, int heads, int window, int first, int count)
    {
        int dimension = _config.HeadDimension, width = heads * dimension;
        return new MatrixView(x, (window * _length + first) * width + head * dimension, count, dimension, width, 1);
    }
}
