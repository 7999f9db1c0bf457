using System.Diagnostics;
using System.Numerics.Tensors;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization.Numerics;
using EdgeLlm.Quantization.Rounding;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>
/// Goes through the layers from the first to the last with the calibration text's tokens. Each matrix is rounded for the inputs that it gets from
/// what is packed before it, in its own layer too.
/// </summary>
internal sealed class LayerwiseQuantizer
{
    private const long MostKeptBytes = 160 << 20;
    private const long BatchBytes = 24 << 20;

    private readonly ModelConfig _config;
    private readonly LayerOperations _operations;
    private readonly int _length;
    private readonly int _windows;
    private readonly int _batchWindows;
    private readonly int _trainingWindows;
    private readonly float[] _stream; // the residual stream of all tokens, held-out windows last
    private readonly float[] _normed;
    private readonly float[] _first;
    private readonly float[] _second;
    private readonly float[] _third;
    private readonly float[] _active;
    private readonly float[] _weighted;
    private readonly float[]? _attended;    // of all tokens, where that is not too much; else computed anew each time
    private readonly float[]? _activations;
    private float[] _errors = [];
    private LayerPass? _pass;

    public LayerwiseQuantizer(SourceModel source, CalibrationText text)
    {
        (_config, _length, _windows) = (source.Config, text.Length, text.Count);
        _operations = new LayerOperations(_config, _length);
        int[] order = [.. Enumerable.Range(0, _windows).OrderBy(CalibrationText.IsHeldOut)];
        _trainingWindows = order.Count(window => !CalibrationText.IsHeldOut(window));
        int[] tokens = [.. order.SelectMany(window => text[window].ToArray())];
        int width = _config.EmbeddingLength, widest = Math.Max(width, Math.Max(_config.FeedForwardLength, _config.QueryWidth));
        _batchWindows = (int)Math.Clamp(BatchBytes / ((long)_length * widest * sizeof(float)), 1, 4);
        int batch = _batchWindows * _length;
        _stream = new float[tokens.Length * width];
        source.Embed(tokens, _stream);
        _normed = new float[batch * width];
        _first = new float[batch * widest];
        _second = new float[batch * widest];
        _active = new float[batch * widest];
        _third = new float[batch * widest];
        _weighted = new float[batch * widest];
        _attended = Kept(_config.QueryWidth);
        _activations = Kept(_config.FeedForwardLength);

        float[]? Kept(int columns) => (long)tokens.Length * columns * sizeof(float) <= MostKeptBytes ? new float[tokens.Length * columns] : null;
    }

    public required Func<string, Packing> PackingOf { get; init; }

    public required double Damping { get; init; }

    public required double Shrinkage { get; init; }

    /// <summary>The head's rows are the inputs too, where it is the embedding: they should be near in themselves, not only as the hidden states see them.</summary>
    public double HeadDamping { get; init; } = 0.1;

    public required int Sweeps { get; init; }

    public CancellationToken Cancellation { get; init; }

    public Action<string> Log { get; init; } = static _ => { };

    /// <summary>The residual stream behind the layers so far: [tokens, embedding].</summary>
    public float[] Stream => _stream;

    /// <summary>Moves the stream behind a layer that is packed already.</summary>
    public void Pass(DecoderLayer layer)
    {
        _pass ??= new LayerPass(_config, _operations, _batchWindows * _length, new LayerScratch(_config, _batchWindows * _length));
        ForBatches(0, _windows, (first, tokens) => _pass.Forward(layer, _stream, first * _config.EmbeddingLength, tokens));
    }

    /// <summary>Packs embedding or head for the last hidden states, behind all layers.</summary>
    /// <param name="weights">[vocabulary, embedding]</param>
    public PackedMatrix QuantizeHead(string name, float[] weights, float[] outputNorm)
    {
        Packing packing = PackingOf(name);
        int rows = weights.Length / outputNorm.Length;
        if (packing == Packing.E8Group32) return MatrixQuantizer.Plain(name, weights, rows, new PackedLayout(packing, outputNorm.Length));
        float[] moments = Moments(0, _trainingWindows, outputNorm.Length, (first, tokens) => Normalized(outputNorm, first, tokens));
        return MatrixQuantizer.Quantize(name, weights, rows, packing, new Curvature(moments, outputNorm.Length, HeadDamping), Sweeps);
    }

    /// <summary>Quantizes a layer's matrices one after the other and moves the stream behind it.</summary>
    public QuantizedLayer Quantize(DecoderLayer layer)
    {
        var packed = new List<PackedMatrix>();
        int width = _config.EmbeddingLength, feedForward = _config.FeedForwardLength;

        Round(packed, width, (first, tokens) => Normalized(layer.AttentionNorm, first, tokens), layer.AttentionNorm, layer.Query, layer.Key, layer.Value);
        Round(packed, _config.QueryWidth, Attended, null, layer.AttentionOutput);
        Add(layer.AttentionOutput, _attended, Attended);
        Round(packed, width, (first, tokens) => Normalized(layer.FeedForwardNorm, first, tokens), null, layer.Gate, layer.Up);
        Round(packed, feedForward, Active, null, layer.Down);
        Add(layer.Down, _activations, Active);
        return new QuantizedLayer(packed, new LayerNorms(layer.AttentionNorm, layer.FeedForwardNorm));

        MatrixView Attended(int first, int tokens)
        {
            MatrixView normed = Normalized(layer.AttentionNorm, first, tokens);
            layer.Query.Apply(normed.Data, _first, tokens);
            layer.Key.Apply(normed.Data, _second, tokens);
            layer.Value.Apply(normed.Data, _third, tokens);
            _operations.Rotate(_first, _config.HeadCount, tokens);
            _operations.Rotate(_second, _config.KeyValueHeadCount, tokens);
            _operations.Attend(_first, _second, _third, _active, tokens);
            return Keep(_attended, _active, first, tokens, _config.QueryWidth);
        }

        MatrixView Active(int first, int tokens)
        {
            MatrixView normed = Normalized(layer.FeedForwardNorm, first, tokens);
            layer.Gate.Apply(normed.Data, _first, tokens);
            layer.Up.Apply(normed.Data, _second, tokens);
            LayerOperations.Activate(_first, _second, _active, tokens * feedForward);
            return Keep(_activations, _active, first, tokens, feedForward);
        }
    }

    private static MatrixView Keep(float[]? all, float[] batch, int first, int tokens, int columns)
    {
        if (all is not null) batch.AsSpan(0, tokens * columns).CopyTo(all.AsSpan(first * columns));
        return new MatrixView(batch, tokens, columns);
    }

    /// <summary>The stream goes on by what a matrix makes of its inputs, which are kept or computed again.</summary>
    private void Add(LinearMap map, float[]? kept, Func<int, int, MatrixView> inputs)
    {
        bool areKept = kept is not null && PackingOf(map.Name) != Packing.None; // as they were when its moments were gathered
        ForBatches(0, _windows, (first, tokens) =>
        {
            if (areKept) map.Apply(kept!, _third, tokens, first);
            else map.Apply(inputs(first, tokens).Data, _third, tokens);
            Span<float> stream = _stream.AsSpan(first * map.Rows, tokens * map.Rows);
            TensorPrimitives.Add(stream, _third.AsSpan(0, stream.Length), stream);
        });
    }

    /// <summary>Gathers the second moments of the inputs of some matrices, then rounds these; their float weights become the rounded ones.</summary>
    /// <param name="norm">Where the inputs come from, if they may be scaled; null: they may not.</param>
    private void Round(List<PackedMatrix> packed, int columns, Func<int, int, MatrixView> inputs, float[]? norm, params LinearMap[] maps)
    {
        if (maps.All(map => PackingOf(map.Name) == Packing.None)) return;
        var watch = Stopwatch.StartNew();
        LinearMap? writer = maps[0].Rows == _config.EmbeddingLength && maps.Length == 1 ? maps[0] : null; // to the residual stream
        var curvature = new Curvature(Moments(0, _trainingWindows, columns, inputs, writer), columns, Damping, Shrinkage);
        float[] heldOut = Moments(_trainingWindows, _windows, columns, inputs, writer);
        Log($"moments {watch.Elapsed.TotalSeconds:F1} s");
        (List<PackedMatrix> Matrices, double Error) best = RoundAll(maps, curvature, heldOut);
        if (norm is not null && best.Matrices.Count == maps.Length && best.Matrices.All(matrix => matrix.Tensor.Layout.HasCodebook))
        {
            var scales = new ChannelScales(curvature.Moments, columns);
            LinearMap[] scaled = [.. maps.Select(map => map with { Weights = scales.Weights(map.Weights) })];
            (List<PackedMatrix> Matrices, double Error) other = RoundAll(scaled, new Curvature(scales.Moments(curvature.Moments), columns, damping: 0), scales.Moments(heldOut));
            if (other.Error < best.Error)
            {
                best = other;
                scales.Divide(norm);
            }
        }
        foreach (PackedMatrix matrix in best.Matrices) matrix.ToFloat(maps.First(map => map.Name == matrix.Tensor.Name).Weights);
        packed.AddRange(best.Matrices);
        GC.Collect(); // it waits for more garbage than these arrays are, and would let those of several layers pile up
    }

    /// <summary>Rounds some matrices with the same inputs; each error is relative to what the matrix makes of the held-out inputs.</summary>
    private (List<PackedMatrix> Matrices, double Error) RoundAll(LinearMap[] maps, Curvature curvature, float[] heldOut)
    {
        var matrices = new List<PackedMatrix>();
        double error = 0;
        foreach (LinearMap map in maps)
        {
            var watch = Stopwatch.StartNew();
            Packing packing = PackingOf(map.Name);
            if (packing == Packing.None) continue;
            Cancellation.ThrowIfCancellationRequested();
            PackedMatrix result = MatrixQuantizer.Quantize(map.Name, map.Weights, map.Rows, packing, curvature, Sweeps);
            PackedMatrix plain = MatrixQuantizer.Plain(map.Name, map.Weights, map.Rows, result.Tensor.Layout);
            double size = Curvature.MeanCost(map.Weights, map.Rows, heldOut, map.Columns), cost = Cost(result, map, heldOut) / size, plainCost = Cost(plain, map, heldOut) / size;
            Log($"{map.Name} {result.Tensor.Kind} held-out error {cost:F6}, plain {plainCost:F6}, rounding {watch.Elapsed.TotalSeconds:F1} s");
            matrices.Add(plainCost < cost ? plain : result);
            error += Math.Min(cost, plainCost);
        }
        return (matrices, error);
    }

    private double Cost(PackedMatrix packed, LinearMap map, float[] moments)
    {
        if (_errors.Length < map.Weights.Length) _errors = new float[map.Weights.Length];
        packed.ToFloat(_errors);
        Span<float> errors = _errors.AsSpan(0, map.Weights.Length);
        TensorPrimitives.Subtract(map.Weights, errors, errors);
        return Curvature.MeanCost(_errors, map.Rows, moments, map.Columns);
    }

    private float[] Moments(int firstWindow, int endWindow, int columns, Func<int, int, MatrixView> inputs, LinearMap? writer = null)
    {
        float[] moments = new float[columns * columns];
        ForBatches(firstWindow, endWindow, (first, tokens) =>
        {
            MatrixView x = inputs(first, tokens);
            MatrixMultiplier.Multiply(Weighted(x, first, writer).Transposed, x, new MatrixView(moments, columns, columns), accumulate: true, upperOnly: true);
        });
        for (int r = 0; r < columns; r++)
        {
            for (int c = 0; c < r; c++) moments[r * columns + c] = moments[c * columns + r];
        }
        return moments;
    }

    /// <summary>
    /// Each token's numbers over the mean square of its residual stream: what comes next looks at the stream divided by its norm, so that an error
    /// counts relative to it. (Without this the first token, whose stream is huge in some models, would outweigh all others.)
    /// </summary>
    private MatrixView Weighted(MatrixView x, int firstToken, LinearMap? writer)
    {
        int width = _config.EmbeddingLength;
        if (writer is not null) writer.Apply(x.Data, _third, x.Rows);
        else Array.Clear(_third, 0, x.Rows * width);
        ParallelWork.ForAll(x.Rows, Cancellation, t =>
        {
            Span<float> stream = _third.AsSpan(t * width, width);
            TensorPrimitives.Add(stream, _stream.AsSpan((firstToken + t) * width, width), stream);
            float weight = width / (Reductions.SumOfSquares(stream) + 1e-20f);
            TensorPrimitives.Multiply(x.Data.AsSpan(t * x.Columns, x.Columns), weight, _weighted.AsSpan(t * x.Columns, x.Columns));
        });
        return new MatrixView(_weighted, x.Rows, x.Columns);
    }

    private void ForBatches(int firstWindow, int endWindow, Action<int, int> action)
    {
        for (int window = firstWindow; window < endWindow; window += _batchWindows)
        {
            Cancellation.ThrowIfCancellationRequested();
            action(window * _length, Math.Min(_batchWindows, endWindow - window) * _length);
        }
    }

    private MatrixView Normalized(float[] weight, int first, int tokens)
    {
        _operations.Normalize(_stream, first * weight.Length, weight, _normed, tokens);
        return new MatrixView(_normed, tokens, weight.Length);
    }
}
