using System.Diagnostics;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;
using EdgeLlm.Quantization.Rounding;
using EdgeLlm.Training;
using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>
/// Rounds every matrix by the loss of the whole model: the source's derivatives of -log p(y), y drawn from its own predictions, go back
/// through the layers from the last to the first, and each layer's statistics (<see cref="LossStatistics"/>) are there while its matrices
/// are rounded. All statistics are the source's own.
/// </summary>
internal sealed class LossQuantizer
{
    private const int CodebookWeights = 150_000;

    private readonly SourceModel _source;
    private readonly SourceStreams _streams;
    private readonly int _length;
    private readonly int _windows;
    private readonly int[] _tokens;
    private readonly LayerArithmetic _arithmetic;
    private readonly LayerPass _pass;
    private readonly float[] _stream;
    private readonly float[] _input;
    private readonly float[] _output;
    private readonly float[] _derivatives;
    private readonly FloatArena _arena = new();
    private LayerWeights? _buffer;

    /// <param name="text">Its held-out windows are left out.</param>
    public LossQuantizer(SourceModel source, CalibrationText text, SourceStreams streams)
    {
        (_source, _streams, _length) = (source, streams, text.Length);
        int[] windows = TrainingWindows(text);
        _windows = windows.Length;
        _tokens = [.. windows.SelectMany(window => text[window].ToArray())];
        _arithmetic = new LayerArithmetic(_length);
        _pass = new LayerPass(_arithmetic, _length, new PassArrays(_length));
        _stream = new float[StreamLength(source, text)];
        Derivatives = new float[_stream.Length];
        _input = new float[_length * source.Model.Width];
        _output = new float[_input.Length];
        _derivatives = new float[_input.Length];
    }

    /// <summary>How a matrix of a number of columns is stored.</summary>
    public required Func<string, int, PackedLayout> LayoutOf { get; init; }

    public required int Sweeps { get; init; }

    public CancellationToken Cancellation { get; init; }

    public Action<string> Log { get; init; } = static _ => { };

    /// <summary>The loss's derivatives by the residual stream before the layers that are not done yet: [tokens, width].</summary>
    public float[] Derivatives { get; }

    /// <summary>Floats of the residual stream of a text's windows.</summary>
    public static long StreamLength(SourceModel source, CalibrationText text) =>
        (long)TrainingWindows(text).Length * text.Length * source.Model.Width;

    /// <summary>The source goes forwards; its streams are kept.</summary>
    /// <param name="progress">Receives the layers done.</param>
    public void Forward(Action<double> progress)
    {
        int done = _streams.Count - 1;
        while (done >= 0 && !_streams.TryRead(done, _stream)) done = _streams.Count - 1;
        if (done < 0)
        {
            _source.Embed(_tokens, _stream);
            _streams.Append(_stream);
            done = 0;
        }
        for (int l = done; l < _source.LayerCount; l++)
        {
            LayerWeights weights = Read(l);
            for (int window = 0; window < _windows; window++)
            {
                Cancellation.ThrowIfCancellationRequested();
                _pass.Forward(_source.Programs[l], weights, new FloatRows(_stream, window * _input.Length), _length);
                progress(l + (window + 1.0) / _windows);
            }
            _streams.Append(_stream);
        }
    }

    /// <summary>The loss's derivatives by the last layer's output.</summary>
    public void Differentiate(Action<double> progress)
    {
        var loss = new SampledLoss(_source.ReadMatrix(_source.HeadName), _source.Model.Width);
        float[] byHidden = new float[_input.Length], weight = _source.OutputNorm;
        ReadStream(_source.LayerCount);
        for (int window = 0; window < _windows; window++)
        {
            Cancellation.ThrowIfCancellationRequested();
            var stream = new FloatRows(_stream, window * _input.Length);
            loss.Differentiate(Hidden(stream, weight), _length, window * _length, byHidden, static (_, _) => { });
            Array.Clear(_derivatives);
            _arithmetic.NormalizeBackward(_source.OutputNormStep.Norm, stream, weight, byHidden, _derivatives, null, _length);
            _derivatives.CopyTo(Derivatives, window * _input.Length);
            progress((window + 1.0) / _windows);
        }
    }

    /// <summary>Gathers a layer's statistics on the way back through it, then rounds its matrices.</summary>
    public QuantizedLayer Quantize(int layer, Action<double> progress)
    {
        ProjectStep[] steps =
            [.. _source.Steps.Layers[layer].OfType<ProjectStep>().Where(step => step.Projections.Any(projection => IsPacked(projection)))];
        var statistics = new LossStatistics(steps, _arena);
        LayerWeights weights = Backward(layer, statistics, statistics.EndWindow, progress);
        statistics.Complete();
        Projection[] projections = [.. steps.SelectMany(step => step.Projections).Where(projection => IsPacked(projection))];
        var packed = new PackedMatrix[projections.Length];
        // The largest first, so that the threads end together; each matrix on one thread, in an order of its own.
        int[] order = [.. Enumerable.Range(0, projections.Length)
            .OrderByDescending(i => (long)projections[i].Weight.Rows * projections[i].Weight.Columns)];
        Curvature[] inputs = new Curvature[projections.Length];
        var outputs = new Curvature?[projections.Length];
        var importance = new float[projections.Length][];
        foreach (int i in order) (inputs[i], outputs[i], importance[i]) = CurvaturesOf(projections[i], statistics);
        ParallelWork.ForAll(order.Length, Cancellation,
            place => packed[order[place]] =
                Round(projections[order[place]].Weight, weights, inputs[order[place]], outputs[order[place]], importance[order[place]]));
        for (int i = 0; i < packed.Length; i++)
        {
            _arena.Return(inputs[i].Moments, inputs[i].Factor);
            if (outputs[i] is { } other) _arena.Return(other.Moments, other.Factor);
        }
        statistics.Return();
        return new QuantizedLayer(packed, _source.ReadNorms(layer));
    }

    /// <summary>Moves the derivatives back through a layer that is packed already.</summary>
    public void Pass(int layer) => Backward(layer, new LossStatistics([], _arena), static () => { }, static _ => { });

    /// <summary>Rounds the embedding or head that makes logits for the source's last hidden states.</summary>
    /// <param name="weights">[vocabulary, width]</param>
    public PackedMatrix QuantizeHead(string name, float[] weights)
    {
        const double Damping = 0.02;
        int width = _source.Model.Width, rows = weights.Length / width;
        PackedLayout layout = LayoutOf(name, width);
        if (!layout.HasCodebook) return MatrixQuantizer.Plain(name, weights, rows, layout);
        float[] moments = HiddenMoments();
        if (layout.IsRotated) Curvature.Rotate(moments, width);
        if (layout.Packing == Packing.E3Group32) Curvature.Order(moments, width);
        return MatrixQuantizer.ByFeedback(name, weights, rows, layout, new Curvature(moments, width, Damping), sweeps: 0, Cancellation);
    }

    /// <summary>Second moments [width, width] of the source's last hidden states.</summary>
    private float[] HiddenMoments()
    {
        int width = _source.Model.Width;
        float[] moments = new float[width * width], weight = _source.OutputNorm;
        ReadStream(_source.LayerCount);
        for (int window = 0; window < _windows; window++)
        {
            var x = new MatrixView(Hidden(new FloatRows(_stream, window * _input.Length), weight), _length, width);
            MatrixMultiplier.Multiply(x.Transposed, x, new MatrixView(moments, width, width), accumulate: true, upperOnly: true);
        }
        Curvature.Mirror(moments, width);
        return moments;
    }

    private bool IsPacked(Projection projection) => LayoutOf(projection.Weight.Name, projection.Weight.Columns).Packing != Packing.None;

    /// <summary>A window's normed last hidden states [length, width], until the next one is asked for.</summary>
    private float[] Hidden(FloatRows stream, float[] weight)
    {
        _arithmetic.Normalize(_source.OutputNormStep.Norm, stream, weight, new FloatRows(_output, 0), _length, _source.OutputNormBias);
        return _output;
    }

    /// <summary>
    /// Damping of the statistics of outputs: they hold for other texts less than those of inputs do (research: .2 for queries and keys, .3
    /// for values, .7 else).
    /// </summary>
    private static double OutputDamping(TensorRole role) => role switch
    {
        TensorRole.Query or TensorRole.Key => 0.2,
        TensorRole.Value or TensorRole.QueryKeyValue => 0.3,
        _ => 0.7,
    };

    private (Curvature Inputs, Curvature? Outputs, float[] Importance) CurvaturesOf(Projection projection, LossStatistics statistics)
    {
        const double InputDamping = 0.04, Shrinkage = 0.005;
        TensorUse use = projection.Weight;
        float[] moments = statistics.InputsOf(use.Name);
        PackedLayout layout = LayoutOf(use.Name, use.Columns);
        if (layout.IsRotated) Curvature.Rotate(moments, use.Columns);
        if (layout.Packing == Packing.E3Group32) Curvature.Order(moments, use.Columns);
        float[] importance = Curvature.Importance(moments, use.Columns);
        var inputs = new Curvature(moments, use.Columns, InputDamping, Shrinkage, _arena);
        Curvature? outputs = statistics.OutputsOf(use.Name) is { } other
            ? new Curvature(other, use.Rows, OutputDamping(use.Role), Shrinkage, _arena) : null;
        return (inputs, outputs, importance);
    }

    private PackedMatrix Round(TensorUse use, LayerWeights weights, Curvature inputs, Curvature? outputs, float[] importance)
    {
        var watch = Stopwatch.StartNew();
        PackedLayout layout = LayoutOf(use.Name, use.Columns);
        float[] matrix = _source.PlainOf(use, weights);
        if (!layout.HasCodebook) return MatrixQuantizer.Plain(use.Name, matrix, use.Rows, layout);
        (Codebook codebook, RingCodebook? rings) = MatrixQuantizer.LearnTable(matrix, use.Rows, CodebookWeights, layout, importance);
        var rounder = new TwoSidedRounder(layout, codebook, inputs, outputs, new ColumnImportance(importance, layout.ScaleColumns), rings);
        PackedMatrix packed = rounder.Round(use.Name, matrix, use.Rows, Sweeps, Cancellation);
        Log($"{use.Name} {packed.Tensor.Kind} rounded by the loss in {watch.Elapsed.TotalSeconds:F1} s");
        return packed;
    }

    /// <summary>
    /// Each window goes forwards through a layer from the stream that was kept, then its derivatives go backwards. Gives the layer's
    /// weights.
    /// </summary>
    private LayerWeights Backward(int layer, LossStatistics statistics, Action endWindow, Action<double> progress)
    {
        ReadStream(layer);
        LayerWeights weights = Read(layer);
        for (int window = 0; window < _windows; window++)
        {
            Cancellation.ThrowIfCancellationRequested();
            Span<float> derivatives = Derivatives.AsSpan(window * _input.Length, _input.Length);
            _stream.AsSpan(window * _input.Length, _input.Length).CopyTo(_input);
            _input.CopyTo(_output, 0);
            derivatives.CopyTo(_derivatives);
            _pass.Forward(_source.Programs[layer], weights, new FloatRows(_output, 0), _length);
            _pass.Backward(_source.Programs[layer], weights, _input, _derivatives, statistics);
            _derivatives.CopyTo(derivatives);
            endWindow();
            progress((window + 1.0) / _windows);
        }
        return weights;
    }

    /// <exception cref="IOException">It was damaged since it was written.</exception>
    private void ReadStream(int layer)
    {
        if (!_streams.TryRead(layer, _stream))
            throw new IOException("what this run wrote beside the output was changed by something else: run the command again");
    }

    private LayerWeights Read(int layer) => _buffer = _source.ReadLayer(layer, _buffer);

    private static int[] TrainingWindows(CalibrationText text) =>
        [.. Enumerable.Range(0, text.Count).Where(window => !CalibrationText.IsHeldOut(window))];
}
