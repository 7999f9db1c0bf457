using System.Diagnostics;
using EdgeLlm.Models;
using EdgeLlm.Models.Layers;
using EdgeLlm.Quantization.Calibration;
using EdgeLlm.Training;
using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Quantization;

/// <summary>How much each part of a calibrated quantization takes, in multiplications: what progress and the time left go by.</summary>
internal sealed class QuantizationWork
{
    private readonly double _forward; // of the source, on the way to its loss
    private readonly double _head;
    private readonly double _layers;
    private readonly double _source;
    private readonly double _tuning;
    private readonly int _layerCount;

    public QuantizationWork(SourceModel source, CalibrationText text, QuantizationSettings settings)
    {
        double tokens = text.Tokens.Length, head = (double)source.Model.Width * source.Model.VocabularySize;
        bool usesLoss = settings.UsesGradients && source.NoPrograms is null;
        double pass = 0, again = 0, moments = 0, rounding = 0, loss = 0;
        foreach (IReadOnlyList<Step> layer in source.Steps.Layers)
        {
            foreach (AttendStep step in layer.OfType<AttendStep>()) pass += 2 * step.Queries.Width * text.Length / 2.0;
            foreach (ProjectStep step in layer.OfType<ProjectStep>())
            {
                double columns = step.From.Width, rows = step.Projections.Sum(projection => (double)projection.Weight.Rows);
                pass += columns * rows;
                if (step.Operation is Operation.GateUp or Operation.Down) again += columns * rows; // for the moments, then for what follows
                moments += columns * columns / 2;
                // Rounding goes about 20 times through a matrix' curvature for each row, at half the speed of a product; columns that may
                // be scaled against a norm are rounded twice.
                loss += step.Projections.Sum(projection => LossOf(projection.Weight.Rows, columns, text, settings));
                rounding += 40 * columns * columns * rows * (LayerProgram.ScalableNorm(layer, step) is null ? 1 : 2);
            }
        }
        _layerCount = source.LayerCount;
        _layers = tokens * (pass + again + moments) + rounding;
        if (usesLoss)
        {
            _forward = tokens * pass;
            _head = tokens * 2 * head;
            _layers = tokens * (3 * pass + moments) + loss;
        }
        if (settings.TuningEpochs == 0 || source.NoPrograms is not null) return;
        _source = usesLoss ? 0 : tokens * pass; // the loss has the source's states already
        _tuning = settings.TuningEpochs * tokens * (2.2 * pass + 3 * head);
    }

    /// <summary>
    /// Statistics of the loss for one matrix, and its rounding: factors of both sides, feedback, and each sweep through both.
    /// </summary>
    private static double LossOf(double rows, double columns, CalibrationText text, QuantizationSettings settings)
    {
        double tokens = text.Tokens.Length, both = rows * columns * (rows + columns);
        return tokens * (rows * columns + rows * rows / 6) + text.Count / 4.0 * both
            + (rows * rows * rows + columns * columns * columns) / 3 + (3 + 2 * settings.Sweeps) * both;
    }

    public double Total => _forward + _head + _layers + _source + _tuning;

    /// <summary>About how long all of it takes on this machine, by the time of a product now.</summary>
    public TimeSpan Estimate()
    {
        const int Size = 768;
        var matrix = new MatrixView(new float[Size * Size], Size, Size);
        var product = new MatrixView(new float[Size * Size], Size, Size);
        long best = long.MaxValue, begin = Stopwatch.GetTimestamp();
        for (int run = 0; run < 4
            || Stopwatch.GetElapsedTime(begin).TotalSeconds < 0.5; run++) // the first ones find sleeping threads and slow clocks
        {
            long start = Stopwatch.GetTimestamp();
            MatrixMultiplier.Multiply(matrix, matrix, product);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).Ticks);
        }
        const double Efficiency = 0.55; // what is left of a product's speed beside everything else
        return new TimeSpan((long)(Total / ((double)Size * Size * Size) * best / Efficiency));
    }

    /// <summary>Fraction of the total work when the source has gone forwards through this many layers.</summary>
    public double LossForward(double done) => _forward * done / _layerCount / Total;

    /// <summary>Fraction of the total work after this share of the loss's derivatives.</summary>
    public double LossHead(double share) => (_forward + _head * share) / Total;

    /// <summary>Fraction of the total work after this many layers.</summary>
    public double Layers(double done) => (_forward + _head + _layers * done / _layerCount) / Total;

    /// <summary>Fraction of the total work when the source's own hidden states are computed for this many layers.</summary>
    public double SourceLayers(double done) => (_forward + _head + _layers + _source * done / _layerCount) / Total;

    /// <summary>Fraction of the total work after this share of the tuning.</summary>
    public double Tuning(double share) => (_forward + _head + _layers + _source + _tuning * share) / Total;
}
