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
/// are rounded. All statistics are the source's own. Each matrix is kept when it is rounded; derivatives and statistics after each window,
/// or where they are large, now and then.
/// </summary>
internal sealed class LossQuantizer
{
    private const int CodebookWeights = 150_000;

    private readonly SourceModel _source;
    private readonly SourceWindows _windows;
    private readonly int _length;
    private readonly LayerPass _pass;
    private readonly float[] _input;
    private readonly float[] _output;
    private readonly float[] _byOutput;
    private readonly float[] _derivatives; // by the residual stream after the layers that are not done: [tokens, width]
    private readonly FloatArena _arena = new();
    private LayerWeights? _buffer;

    /// <param name="length">Tokens of a window.</param>
    public LossQuantizer(SourceModel source, SourceWindows windows, int length)
    {
        (_source, _windows, _length) = (source, windows, length);
        _pass = new LayerPass(new LayerArithmetic(length), length, new PassArrays(length));
        _input = new float[length * source.Model.Width];
        _output = new float[_input.Length];
        _byOutput = new float[_input.Length];
        _derivatives = new float[windows.Count * _input.Length];
    }

    /// <summary>How a matrix of a number of columns is stored.</summary>
    public required Func<string, int, PackedLayout> LayoutOf { get; init; }

    public required int Sweeps { get; init; }

    public CancellationToken Cancellation { get; init; }

    public Action<string> Log { get; init; } = static _ => { };

    /// <summary>Bytes of derivatives and statistics where they are largest.</summary>
    public static long CheckpointBytes(SourceModel source, CalibrationText text) =>
        sizeof(float) * ((long)text.Tokens.Length * source.Model.Width
            + source.Steps.Layers.Max(layer => LossStatistics.FloatCount(layer.OfType<ProjectStep>())));

    /// <summary>Rounds the matrices of all layers that are not in the state, which receives them.</summary>
    /// <param name="checkpoint">Of derivatives and statistics.</param>
    /// <param name="progress">Receives what was done, and the layers done.</param>
    public void Run(QuantizationState state, Checkpoint checkpoint, Action<string, double> progress)
    {
        int layers = _source.LayerCount, count = _windows.Count;
        HashSet<string> rounded = [.. state.Layers.SelectMany(part => part.Matrices).Select(matrix => matrix.Tensor.Name)];
        (int done, int windows, LossStatistics? statistics) = Load(checkpoint, rounded);
        for (; done < layers; done++, windows = 0)
        {
            int layer = layers - 1 - done, number = done;
            Projection[] missing = [.. PackedOf(layer).Where(projection => !rounded.Contains(projection.Weight.Name))];
            if (missing.Length == 0)
            {
                statistics?.Return();
                if (windows < count) Backward(layer, new LossStatistics([], _arena), windows, static _ => { });
            }
            else
            {
                LossStatistics sums = statistics ?? NewStatistics(layer);
                LayerWeights weights = Backward(layer, sums, windows, window =>
                {
                    sums.EndWindow();
                    checkpoint.SaveNowAndThen(number * (count + 1) + window, window == count, [_derivatives, .. sums.Arrays]);
                    progress($"layer {layer + 1} of {layers}, window {window} of {count}", number + 0.7 * window / count);
                });
                sums.Complete();
                int matrices = 0;
                Quantize(missing, sums, weights, packed =>
                {
                    state.Append(new QuantizedLayer([packed], Norms: null));
                    matrices++;
                    progress($"layer {layer + 1} of {layers}, {packed.Tensor.Name}", number + 0.7 + 0.3 * matrices / missing.Length);
                });
                sums.Return();
            }
            statistics = null;
        }
    }

    /// <summary>
    /// How many layers are done of those that were kept, how many windows of the next one, and its statistics; derivatives are as they were
    /// then.
    /// </summary>
    private (int Layers, int Windows, LossStatistics? Statistics) Load(Checkpoint checkpoint, HashSet<string> rounded)
    {
        int layers = _source.LayerCount, count = _windows.Count, whole = 0;
        while (whole < layers && PackedOf(layers - 1 - whole).All(projection => rounded.Contains(projection.Weight.Name))) whole++;
        if (whole == layers) return (whole, 0, null);
        if (checkpoint.ReadNumber() is { } number && number >= 0 && number / (count + 1) is var done && done <= whole)
        {
            LossStatistics statistics = NewStatistics(layers - 1 - done, number % (count + 1));
            if (checkpoint.TryLoad(number, [_derivatives, .. statistics.Arrays]) == number)
                return (done, number % (count + 1), statistics);
            statistics.Return();
        }
        _windows.ReadDerivatives(_derivatives);
        return (0, 0, null);
    }

    private LossStatistics NewStatistics(int layer, int windows = 0) =>
        new(_source.Steps.Layers[layer].OfType<ProjectStep>().Where(step => step.Projections.Any(IsPacked)), _arena, windows);

    private IEnumerable<Projection> PackedOf(int layer) =>
        _source.Steps.Layers[layer].OfType<ProjectStep>().SelectMany(step => step.Projections).Where(IsPacked);

    /// <summary>Rounds matrices of a layer.</summary>
    /// <param name="keep">Receives each when it is rounded, one at a time.</param>
    private void Quantize(Projection[] projections, LossStatistics statistics, LayerWeights weights, Action<PackedMatrix> keep)
    {
        // The largest first, so that the threads end together; each matrix on one thread, in an order of its own.
        Projection[] order = [.. projections.OrderByDescending(projection => (long)projection.Weight.Rows * projection.Weight.Columns)];
        var curvatures = order.Select(projection => CurvaturesOf(projection, statistics)).ToArray();
        var keeping = new Lock();
        ParallelWork.ForAll(order.Length, Cancellation, i =>
        {
            PackedMatrix packed = Round(order[i].Weight, weights, curvatures[i].Inputs, curvatures[i].Outputs, curvatures[i].Importance);
            lock (keeping) keep(packed);
        });
        foreach ((Curvature inputs, Curvature? outputs, _) in curvatures)
        {
            _arena.Return(inputs.Moments, inputs.Factor);
            if (outputs is not null) _arena.Return(outputs.Moments, outputs.Factor);
        }
    }

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
        float[] moments = new float[width * width];
        for (int window = 0; window < _windows.Count; window++)
        {
            var x = new MatrixView(_windows.Hidden(window), _length, width);
            MatrixMultiplier.Multiply(x.Transposed, x, new MatrixView(moments, width, width), accumulate: true, upperOnly: true);
        }
        Curvature.Mirror(moments, width);
        return moments;
    }

    private bool IsPacked(Projection projection) => LayoutOf(projection.Weight.Name, projection.Weight.Columns).Packing != Packing.None;

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
    /// <param name="first">Windows that are through already.</param>
    /// <param name="end">Receives the windows that are through, after each.</param>
    private LayerWeights Backward(int layer, LossStatistics statistics, int first, Action<int> end)
    {
        LayerWeights weights = _buffer = _source.ReadLayer(layer, _buffer);
        for (int window = first; window < _windows.Count; window++)
        {
            Cancellation.ThrowIfCancellationRequested();
            Span<float> derivatives = _derivatives.AsSpan(window * _input.Length, _input.Length);
            _windows.ReadStream(layer, window, _input);
            _input.CopyTo(_output, 0);
            derivatives.CopyTo(_byOutput);
            _pass.Forward(_source.Programs[layer], weights, new FloatRows(_output, 0), _length);
            _pass.Backward(_source.Programs[layer], weights, _input, _byOutput, statistics);
            _byOutput.CopyTo(derivatives);
            end(window + 1);
        }
        return weights;
    }
}
