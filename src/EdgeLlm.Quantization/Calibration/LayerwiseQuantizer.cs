using System.Diagnostics;
using System.Numerics.Tensors;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;
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

    private readonly SourceModel _source;
    private readonly LayerArithmetic _arithmetic;
    private readonly LayerPass _pass;
    private readonly float[]? _outputBias;
    private readonly int _width;
    private readonly int _length;
    private readonly int _windows;
    private readonly int _batchWindows;
    private readonly int _trainingWindows;
    private readonly float[] _stream; // the residual stream of all tokens, held-out windows last
    private readonly float[] _normed;
    private readonly float[] _written;
    private readonly float[] _weighted;
    private float[] _kept = []; // inputs of a matrix, of all tokens, where that is not too much
    private float[] _errors = [];

    public LayerwiseQuantizer(SourceModel source, CalibrationText text)
    {
        (_source, _outputBias, _width, _length, _windows) = (source, source.OutputNormBias, source.Model.Width, text.Length, text.Count);
        _arithmetic = new LayerArithmetic(_length);
        int[] order = [.. Enumerable.Range(0, _windows).OrderBy(CalibrationText.IsHeldOut)];
        _trainingWindows = order.Count(window => !CalibrationText.IsHeldOut(window));
        int[] tokens = [.. order.SelectMany(window => text[window].ToArray())];
        int widest = Math.Max(_width, source.Steps.Layers.SelectMany(layer => layer).OfType<ProjectStep>().Max(step => step.From.Width));
        _batchWindows = (int)Math.Clamp(BatchBytes / ((long)_length * widest * sizeof(float)), 1, 4);
        int batch = _batchWindows * _length;
        _pass = new LayerPass(_arithmetic, batch, new PassArrays(batch));
        _stream = new float[tokens.Length * _width];
        source.Embed(tokens, _stream);
        _normed = new float[batch * _width];
        _written = new float[batch * _width];
        _weighted = new float[batch * widest];
    }

    public required Func<string, Packing> PackingOf { get; init; }

    public required double Damping { get; init; }

    public required double Shrinkage { get; init; }

    /// <summary>The head's rows are the inputs too, where it is the embedding: they should be near in themselves, not only as the hidden states see them.</summary>
    public double HeadDamping { get; init; } = 0.1;

    public required int Sweeps { get; init; }

    public CancellationToken Cancellation { get; init; }

    public Action<string> Log { get; init; } = static _ => { };

    /// <summary>The residual stream after the layers so far: [tokens, width].</summary>
    public float[] Stream => _stream;

    /// <summary>Moves the stream through a layer that is packed already.</summary>
    public void Pass(int layer, LayerWeights weights) =>
        ForBatches(0, _windows, (first, tokens) => _pass.Forward(_source.Programs[layer], weights, StreamFrom(first), tokens));

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

    /// <summary>Quantizes a layer's matrices one after the other and moves the stream through it.</summary>
    public QuantizedLayer Quantize(int layer, LayerWeights weights)
    {
        LayerProgram program = _source.Programs[layer];
        var packed = new List<PackedMatrix>();
        foreach ((int first, int end) in program.Segments)
        {
            ProjectOperation[] projects = [.. program.Operations.Take(first..end).OfType<ProjectOperation>()];
            foreach (ProjectOperation project in projects)
            {
                // The last one's inputs are all that its segment needs beside the stream, where nothing else is read after it.
                bool areKept = project == projects[^1] && AreEnough(program, project, first, end) && project.Step.Projections.All(projection => PackingOf(projection.Weight.Name) != Packing.None)
                    && KeptLength(project) * sizeof(float) <= MostKeptBytes;
                if (areKept && _kept.Length < KeptLength(project)) _kept = new float[KeptLength(project)];
                var inputs = new Inputs(program, weights, project, first) { AreKept = areKept };
                Round(packed, inputs, LayerProgram.ScalableNorm(_source.Steps.Layers[layer], project.Step));
                if (project == projects[^1]) Move(inputs, end);
            }
            if (projects.Length == 0) Move(new Inputs(program, weights, null, first), end);
        }
        return new QuantizedLayer(packed, _source.NormsOf(layer).ToDictionary(norm => norm.Name, norm => weights[norm]));
    }

    private long KeptLength(ProjectOperation project) => (long)_windows * _length * project.From.Width;

    /// <summary>Whether a matrix' input and the stream are all that a segment reads from this matrix on.</summary>
    private static bool AreEnough(LayerProgram program, ProjectOperation project, int first, int end)
    {
        LayerOperation[] all = [.. program.Operations.Take(first..end)];
        int index = Array.IndexOf(all, project);
        return all[index..].SelectMany(operation => operation.Inputs).All(input => input == project.From || !all[..index].Contains(input.Producer));
    }

    /// <summary>Moves the stream through a segment.</summary>
    private void Move(Inputs of, int end) => ForBatches(0, _windows, (first, tokens) =>
    {
        FloatRows stream = StreamFrom(first);
        if (of.AreKept)
        {
            int begin = of.Program.Operations.ToList().IndexOf(of.Project!);
            _pass.Forward(of.Program, of.Weights, stream, tokens, begin, end, (of.Project!.From, new FloatRows(_kept, first * of.Project.From.Width)));
        }
        else
        {
            _pass.Forward(of.Program, of.Weights, stream, tokens, of.First, end);
        }
        FloatRows result = _pass.Read(of.Program.StreamAfter(end - 1));
        if (result != stream) result.Span(tokens * _width).CopyTo(stream.Span(tokens * _width));
    });

    private FloatRows StreamFrom(int token) => new(_stream, token * _width);

    /// <summary>What goes into some matrices, for a batch of tokens.</summary>
    private MatrixView Compute(Inputs of, int first, int tokens)
    {
        LayerValue from = of.Project!.From;
        int end = of.Program.Operations.ToList().IndexOf(of.Project);
        _pass.Forward(of.Program, of.Weights, StreamFrom(first), tokens, of.First, end);
        FloatRows rows = _pass.Read(from);
        if (of.AreKept) rows.Span(tokens * from.Width).CopyTo(_kept.AsSpan(first * from.Width));
        return rows.AsMatrix(tokens, from.Width);
    }

    /// <summary>Gathers the second moments of the inputs of some matrices, then rounds these; their float weights become the rounded ones.</summary>
    /// <param name="norm">The norm that the inputs come from, if they may be scaled; null: they may not.</param>
    private void Round(List<PackedMatrix> packed, Inputs inputs, NormStep? norm)
    {
        Source[] maps = [.. inputs.Project!.Step.Projections.Select(projection => new Source(projection.Weight, inputs.Weights[projection.Weight]))];
        if (maps.All(map => PackingOf(map.Name) == Packing.None)) return;
        var watch = Stopwatch.StartNew();
        int columns = inputs.Project.From.Width;
        Inputs? writer = maps.Length == 1 && maps[0].Rows == _width ? inputs : null; // to the residual stream
        var curvature = new Curvature(Moments(0, _trainingWindows, columns, Of, writer), columns, Damping, Shrinkage);
        float[] heldOut = Moments(_trainingWindows, _windows, columns, Of, writer);
        Log($"moments {watch.Elapsed.TotalSeconds:F1} s");
        (List<PackedMatrix> Matrices, double Error) best = RoundAll(maps, curvature, heldOut);
        if (norm is not null && best.Matrices.Count == maps.Length && best.Matrices.All(matrix => matrix.Tensor.Layout.HasCodebook))
        {
            var scales = new ChannelScales(curvature.Moments, columns);
            Source[] scaled = [.. maps.Select(map => map with { Weights = scales.Weights(map.Weights) })];
            (List<PackedMatrix> Matrices, double Error) other = RoundAll(scaled, new Curvature(scales.Moments(curvature.Moments), columns, damping: 0), scales.Moments(heldOut));
            if (other.Error < best.Error)
            {
                best = other;
                scales.Divide(inputs.Weights[norm.Weight]);
            }
        }
        foreach (PackedMatrix matrix in best.Matrices) matrix.ToFloat(maps.First(map => map.Name == matrix.Tensor.Name).Weights);
        packed.AddRange(best.Matrices);
        GC.Collect(); // it waits for more garbage than these arrays are, and would let those of several layers pile up

        MatrixView Of(int first, int tokens) => Compute(inputs, first, tokens);
    }

    /// <summary>Rounds some matrices with the same inputs; each error is relative to what the matrix makes of the held-out inputs.</summary>
    private (List<PackedMatrix> Matrices, double Error) RoundAll(Source[] maps, Curvature curvature, float[] heldOut)
    {
        var matrices = new List<PackedMatrix>();
        double error = 0;
        foreach (Source map in maps)
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

    private double Cost(PackedMatrix packed, Source map, float[] moments)
    {
        if (_errors.Length < map.Weights.Length) _errors = new float[map.Weights.Length];
        packed.ToFloat(_errors);
        Span<float> errors = _errors.AsSpan(0, map.Weights.Length);
        TensorPrimitives.Subtract(map.Weights, errors, errors);
        return Curvature.MeanCost(_errors, map.Rows, moments, map.Columns);
    }

    private float[] Moments(int firstWindow, int endWindow, int columns, Func<int, int, MatrixView> inputs, Inputs? writer = null)
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
    private MatrixView Weighted(MatrixView x, int firstToken, Inputs? writer)
    {
        int width = _width;
        if (writer is not null) ProjectOperation.Apply(writer.Project!.Step.Projections[0], writer.Weights, new FloatRows(x.Data, x.Offset), new FloatRows(_written, 0), x.Rows);
        else Array.Clear(_written, 0, x.Rows * width);
        ParallelWork.ForAll(x.Rows, Cancellation, t =>
        {
            Span<float> stream = _written.AsSpan(t * width, width);
            TensorPrimitives.Add(stream, _stream.AsSpan((firstToken + t) * width, width), stream);
            float weight = width / (Reductions.SumOfSquares(stream) + 1e-20f);
            TensorPrimitives.Multiply(x.Data.AsSpan(x.Offset + t * x.Columns, x.Columns), weight, _weighted.AsSpan(t * x.Columns, x.Columns));
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
        _arithmetic.Normalize(_source.OutputNormStep.Norm, StreamFrom(first), weight, new FloatRows(_normed, 0), tokens, _outputBias);
        return new MatrixView(_normed, tokens, weight.Length);
    }

    /// <summary>What goes into the matrices of an operation: computed from the stream by the operations from First on.</summary>
    private sealed record Inputs(LayerProgram Program, LayerWeights Weights, ProjectOperation? Project, int First)
    {
        /// <summary>Whether all tokens' inputs are kept when they are computed.</summary>
        public bool AreKept { get; init; }
    }

    /// <summary>A matrix to round.</summary>
    private sealed record Source(TensorUse Use, float[] Weights)
    {
        public string Name => Use.Name;

        public int Rows => Use.Rows;

        public int Columns => Use.Columns;
    }
}
