using System.Diagnostics;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Layers;
using EdgeLlm.Quantization.Rounding;
using EdgeLlm.Training;
using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>
/// Packs layers that have a form in floats (<see cref="LayerProgram"/>), which a tuning of the whole model can go backwards through later.
/// </summary>
internal sealed class ProgramQuantizer : LayerQuantizer
{
    private const long MostKeptBytes = 160 << 20;

    private readonly LayerArithmetic _arithmetic;
    private readonly LayerPass _pass;
    private readonly float[] _normed;
    private LayerWeights? _buffer;
    private float[] _kept = []; // inputs of a matrix, of all tokens, where that is not too much

    public ProgramQuantizer(SourceModel source, CalibrationText text, OperationRounder rounder)
        : base(source, text, rounder)
    {
        _arithmetic = new LayerArithmetic(Length);
        _pass = new LayerPass(_arithmetic, BatchTokens, new PassArrays(BatchTokens));
        source.Embed(Tokens, Stream);
        _normed = new float[BatchTokens * Width];
    }

    /// <inheritdoc/>
    public override void Pass(int layer, QuantizedLayer packed)
    {
        LayerWeights weights = Read(layer, packed.Norms, packed.Matrices.ToDictionary(matrix => matrix.Tensor.Name));
        ForBatches(0, Windows, (first, tokens) => _pass.Forward(Source.Programs[layer], weights, StreamFrom(first), tokens));
    }

    /// <inheritdoc/>
    public override QuantizedLayer Quantize(int layer)
    {
        LayerProgram program = Source.Programs[layer];
        LayerWeights weights = Read(layer);
        var packed = new List<PackedMatrix>();
        foreach ((int first, int end) in program.Segments)
        {
            ProjectOperation[] projects = [.. program.Operations.Take(first..end).OfType<ProjectOperation>()];
            foreach (ProjectOperation project in projects)
            {
                // The last one's inputs are all that its segment needs beside the stream, where nothing else is read after it.
                bool areKept = project == projects[^1] && AreEnough(program, project, first, end)
                    && project.Step.Projections.All(projection => Rounder.PackingOf(projection.Weight.Name) != Packing.None)
                    && KeptLength(project) * sizeof(float) <= MostKeptBytes;
                if (areKept && _kept.Length < KeptLength(project)) _kept = new float[KeptLength(project)];
                var inputs = new Inputs(program, weights, project, first) { AreKept = areKept };
                Round(packed, inputs, LayerProgram.ScalableNorm(Source.Steps.Layers[layer], project.Step));
                if (project == projects[^1]) Move(inputs, end);
            }
            if (projects.Length == 0) Move(new Inputs(program, weights, null, first), end);
        }
        return new QuantizedLayer(packed, Source.NormsOf(layer).ToDictionary(norm => norm.Name, norm => weights[norm]));
    }

    /// <inheritdoc/>
    protected override float[] HiddenMoments()
    {
        float[] weight = Source.OutputNorm;
        float[]? bias = Source.OutputNormBias;
        return Moments(0, TrainingWindows, Width, (first, tokens) =>
        {
            _arithmetic.Normalize(Source.OutputNormStep.Norm, StreamFrom(first), weight, new FloatRows(_normed, 0), tokens, bias);
            return new MatrixView(_normed, tokens, Width);
        });
    }

    private LayerWeights Read(int layer, IReadOnlyDictionary<string, float[]>? norms = null,
        IReadOnlyDictionary<string, PackedMatrix>? packed = null) =>
        _buffer = Source.ReadLayer(layer, _buffer, norms, packed);

    private long KeptLength(ProjectOperation project) => (long)Windows * Length * project.From.Width;

    /// <summary>Whether a matrix' input and the stream are all that a segment reads from this matrix on.</summary>
    private static bool AreEnough(LayerProgram program, ProjectOperation project, int first, int end)
    {
        LayerOperation[] all = [.. program.Operations.Take(first..end)];
        int index = Array.IndexOf(all, project);
        return all[index..].SelectMany(operation => operation.Inputs)
            .All(input => input == project.From || !all[..index].Contains(input.Producer));
    }

    /// <summary>Moves the stream through a segment.</summary>
    private void Move(Inputs of, int end) => ForBatches(0, Windows, (first, tokens) =>
    {
        FloatRows stream = StreamFrom(first);
        if (of.AreKept)
        {
            int begin = of.Program.Operations.ToList().IndexOf(of.Project!);
            _pass.Forward(of.Program, of.Weights, stream, tokens, begin, end,
                (of.Project!.From, new FloatRows(_kept, first * of.Project.From.Width)));
        }
        else
        {
            _pass.Forward(of.Program, of.Weights, stream, tokens, of.First, end);
        }
        FloatRows result = _pass.Read(of.Program.StreamAfter(end - 1));
        if (result != stream) result.Span(tokens * Width).CopyTo(stream.Span(tokens * Width));
    });

    private FloatRows StreamFrom(int token) => new(Stream, token * Width);

    /// <summary>Inputs of matrices for a batch of tokens.</summary>
    private MatrixView Compute(Inputs of, int first, int tokens)
    {
        LayerValue from = of.Project!.From;
        int end = of.Program.Operations.ToList().IndexOf(of.Project);
        _pass.Forward(of.Program, of.Weights, StreamFrom(first), tokens, of.First, end);
        FloatRows rows = _pass.Read(from);
        if (of.AreKept) rows.Span(tokens * from.Width).CopyTo(_kept.AsSpan(first * from.Width));
        return rows.AsMatrix(tokens, from.Width);
    }

    /// <summary>
    /// Gathers the second moments of the inputs of some matrices, then rounds these; their float weights become the rounded ones.
    /// </summary>
    /// <param name="norm">The norm that the inputs come from, if they may be scaled; null: they may not.</param>
    private void Round(List<PackedMatrix> packed, Inputs inputs, NormStep? norm)
    {
        SourceMatrix[] maps =
            [.. inputs.Project!.Step.Projections.Select(projection =>
                new SourceMatrix(projection.Weight, inputs.Weights[projection.Weight]))];
        if (maps.All(map => Rounder.PackingOf(map.Name) == Packing.None)) return;
        var watch = Stopwatch.StartNew();
        int columns = inputs.Project.From.Width;
        bool isToStream = maps.Length == 1 && maps[0].Rows == Width;
        float[] moments = Moments(0, TrainingWindows, columns, Of, isToStream ? Write : null),
            heldOut = Moments(TrainingWindows, Windows, columns, Of, isToStream ? Write : null);
        Rounder.Log($"moments {watch.Elapsed.TotalSeconds:F1} s");
        packed.AddRange(Rounder.Round(maps, moments, heldOut, norm is null ? null : inputs.Weights[norm.Weight]));

        MatrixView Of(int first, int tokens) => Compute(inputs, first, tokens);
        void Write(MatrixView x) =>
            ProjectOperation.Apply(inputs.Project.Step.Projections[0], inputs.Weights, new FloatRows(x.Data, x.Offset),
                new FloatRows(Written, 0), x.Rows);
    }

    /// <summary>Inputs of an operation's matrices: computed from the stream by the operations from First on.</summary>
    private sealed record Inputs(LayerProgram Program, LayerWeights Weights, ProjectOperation? Project, int First)
    {
        /// <summary>Whether all tokens' inputs are kept when they are computed.</summary>
        public bool AreKept { get; init; }
    }
}
