using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;
using EdgeLlm.Quantization.Rounding;
using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>
/// Packs the layers of any model by running their own steps. Nothing goes backwards through these, so that norms and scales of rows are not
/// tuned afterwards. A matrix that is part of a larger step (an expert's) is rounded to the nearest.
/// </summary>
internal sealed class StepwiseQuantizer : LayerQuantizer, IDisposable
{
    private readonly LayerRunner _runner;
    private readonly float[] _inputs;

    public StepwiseQuantizer(SourceModel source, CalibrationText text, OperationRounder rounder)
        : base(source, text, rounder)
    {
        _runner = new LayerRunner(source.Steps, source.File, Windows, Length);
        _inputs = new float[BatchTokens * Widest];
        for (int first = 0; first < Tokens.Length; first += Length)
            _runner.Embed(Window(first), Stream.AsSpan(first * Width, Length * Width));
    }

    /// <inheritdoc/>
    public override QuantizedLayer Quantize(int layer)
    {
        var packed = new List<PackedMatrix>();
        foreach (Step step in _runner.Steps.Layers[layer])
        {
            if (step is ProjectStep project) Round(packed, layer, project);
            else
                packed.AddRange(step.Tensors.Where(use => use.Entry.IsMatrix
                    && Rounder.PackingOf(use.Name) != Packing.None).Select(Nearest));
        }
        Move(layer);
        return new QuantizedLayer(packed, Norms: null);
    }

    /// <inheritdoc/>
    public override void Pass(int layer, QuantizedLayer packed)
    {
        foreach (ProjectStep project in _runner.Steps.Layers[layer].OfType<ProjectStep>()) Replace(project, packed.Matrices);
        Move(layer);
    }

    public void Dispose() => _runner.Dispose();

    /// <inheritdoc/>
    protected override float[] HiddenMoments() => Moments(0, TrainingWindows, Width, (first, tokens) =>
    {
        for (int at = 0; at < tokens; at += Length)
            _runner.Finish(Window(first + at), StreamOf(first + at), _inputs.AsSpan(at * Width, Length * Width));
        return new MatrixView(_inputs, tokens, Width);
    });

    private ReadOnlySpan<int> Window(int firstToken) => Tokens.AsSpan(firstToken, Length);

    private Span<float> StreamOf(int firstToken) => Stream.AsSpan(firstToken * Width, Length * Width);

    private void Round(List<PackedMatrix> packed, int layer, ProjectStep project)
    {
        if (project.Projections.All(projection => Rounder.PackingOf(projection.Weight.Name) == Packing.None)) return;
        SourceMatrix[] maps =
            [.. project.Projections.Select(projection =>
                new SourceMatrix(projection.Weight, Source.ReadMatrix(projection.Weight.Name, Rounder.Arena)))];
        int columns = project.From.Width;
        List<PackedMatrix> matrices =
            Rounder.Round(maps, Moments(0, TrainingWindows, columns, Of), Moments(TrainingWindows, Windows, columns, Of), norm: null);
        packed.AddRange(matrices);
        Replace(project, matrices);
        Rounder.Arena.Return([.. maps.Select(map => map.Weights)]);

        MatrixView Of(int first, int tokens)
        {
            for (int at = 0; at < tokens; at += Length)
                _runner.Inputs(layer, (first + at) / Length, Window(first + at), StreamOf(first + at), project,
                    _inputs.AsSpan(at * columns, Length * columns));
            return new MatrixView(_inputs, tokens, columns);
        }
    }

    private PackedMatrix Nearest(TensorUse use)
    {
        float[] weights = Source.ReadMatrix(use.Name, Rounder.Arena);
        PackedMatrix matrix =
            MatrixQuantizer.Plain(use.Name, weights, use.Rows, new PackedLayout(Rounder.PackingOf(use.Name), use.Columns));
        Rounder.Arena.Return(weights);
        return matrix;
    }

    private void Replace(ProjectStep project, IEnumerable<PackedMatrix> matrices)
    {
        foreach (PackedMatrix matrix in matrices.Where(matrix =>
            project.Projections.Any(projection => projection.Weight.Name == matrix.Tensor.Name)))
            _runner.Replace(project, matrix.Tensor, matrix.Write);
    }

    /// <summary>Moves the stream of all windows through a layer.</summary>
    private void Move(int layer)
    {
        for (int first = 0; first < Tokens.Length; first += Length)
        {
            Rounder.Cancellation.ThrowIfCancellationRequested();
            _runner.Run(layer, first / Length, Window(first), StreamOf(first));
        }
        _runner.FreeReplacements();
    }
}
