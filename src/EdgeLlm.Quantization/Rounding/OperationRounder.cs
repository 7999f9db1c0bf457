using System.Diagnostics;
using System.Numerics.Tensors;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Spec;
using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Quantization.Rounding;

/// <summary>A matrix to round: [Use.Rows, Use.Columns] floats.</summary>
internal sealed record SourceMatrix(TensorUse Use, float[] Weights)
{
    public string Name => Use.Name;

    public int Rows => Use.Rows;

    public int Columns => Use.Columns;
}

/// <summary>Rounds the matrices of one operation for what goes into them, by the second moments of these inputs.</summary>
internal sealed class OperationRounder
{
    private float[] _errors = [];

    /// <summary>Where the arrays of an operation are from.</summary>
    public FloatArena Arena { get; } = new();

    public required Func<string, Packing> PackingOf { get; init; }

    public required double Damping { get; init; }

    public required double Shrinkage { get; init; }

    /// <summary>
    /// The head's rows are the inputs too, where it is the embedding: they should be near in themselves, not only as the hidden states see
    /// them.
    /// </summary>
    public double HeadDamping { get; init; } = 0.1;

    public required int Sweeps { get; init; }

    public CancellationToken Cancellation { get; init; }

    public Action<string> Log { get; init; } = static _ => { };

    /// <summary>Rounds some matrices with the same inputs; their float weights become the rounded ones.</summary>
    /// <param name="moments">Second moments of the inputs [columns, columns] on the calibration text, of <see cref="Arena"/>; taken
    /// over.</param>
    /// <param name="heldOut">The same on the text that is held out, which each matrix is judged by; taken over.</param>
    /// <param name="norm">Weights [columns] of the norm that the inputs come from, which columns may be scaled against; null: they may not
    /// be scaled.</param>
    public List<PackedMatrix> Round(IReadOnlyList<SourceMatrix> maps, float[] moments, float[] heldOut, float[]? norm)
    {
        int columns = maps[0].Columns;
        var curvature = new Curvature(moments, columns, Damping, Shrinkage, Arena);
        (List<PackedMatrix> Matrices, double Error) best = RoundAll(maps, curvature, heldOut);
        if (norm is not null && best.Matrices.Count == maps.Count && best.Matrices.All(matrix => matrix.Tensor.Layout.HasCodebook))
        {
            var scales = new ChannelScales(curvature.Moments, columns, Arena);
            SourceMatrix[] scaled = [.. maps.Select(map => map with { Weights = scales.Weights(map.Weights) })];
            var scaledCurvature = new Curvature(scales.Moments(curvature.Moments), columns, damping: 0, arena: Arena);
            float[] scaledHeldOut = scales.Moments(heldOut);
            (List<PackedMatrix> Matrices, double Error) other = RoundAll(scaled, scaledCurvature, scaledHeldOut);
            Arena.Return([.. scaled.Select(map => map.Weights), scaledCurvature.Moments, scaledCurvature.Factor, scaledHeldOut]);
            if (other.Error < best.Error)
            {
                best = other;
                scales.Divide(norm);
            }
        }
        Arena.Return(curvature.Moments, curvature.Factor, heldOut);
        foreach (PackedMatrix matrix in best.Matrices) matrix.ToFloat(maps.First(map => map.Name == matrix.Tensor.Name).Weights);
        return best.Matrices;
    }

    /// <summary>Rounds embedding or head for the last hidden states.</summary>
    /// <param name="weights">[vocabulary, width]</param>
    /// <param name="moments">Makes the second moments of the hidden states [width, width].</param>
    public PackedMatrix RoundHead(string name, float[] weights, int width, Func<float[]> moments)
    {
        Packing packing = PackingOf(name);
        int rows = weights.Length / width;
        return packing == Packing.E8Group32
            ? MatrixQuantizer.Plain(name, weights, rows, new PackedLayout(packing, width))
            : MatrixQuantizer.Quantize(name, weights, rows, packing, new Curvature(moments(), width, HeadDamping), Sweeps);
    }

    /// <summary>Each error is relative to the matrix' outputs for the held-out inputs.</summary>
    private (List<PackedMatrix> Matrices, double Error) RoundAll(IReadOnlyList<SourceMatrix> maps, Curvature curvature, float[] heldOut)
    {
        var matrices = new List<PackedMatrix>();
        double error = 0;
        foreach (SourceMatrix map in maps)
        {
            var watch = Stopwatch.StartNew();
            Packing packing = PackingOf(map.Name);
            if (packing == Packing.None) continue;
            Cancellation.ThrowIfCancellationRequested();
            PackedMatrix result = MatrixQuantizer.Quantize(map.Name, map.Weights, map.Rows, packing, curvature, Sweeps);
            PackedMatrix plain = MatrixQuantizer.Plain(map.Name, map.Weights, map.Rows, result.Tensor.Layout);
            double size = Curvature.MeanCost(map.Weights, map.Rows, heldOut, map.Columns), cost = Cost(result, map, heldOut) / size,
                plainCost = Cost(plain, map, heldOut) / size;
            Log($"{map.Name} {result.Tensor.Kind} held-out error {cost:F6}, plain {plainCost:F6}, rounding "
                + $"{watch.Elapsed.TotalSeconds:F1} s");
            matrices.Add(plainCost < cost ? plain : result);
            error += Math.Min(cost, plainCost);
        }
        return (matrices, error);
    }

    private double Cost(PackedMatrix packed, SourceMatrix map, float[] moments)
    {
        if (_errors.Length < map.Weights.Length) _errors = new float[map.Weights.Length];
        packed.ToFloat(_errors);
        Span<float> errors = _errors.AsSpan(0, map.Weights.Length);
        TensorPrimitives.Subtract(map.Weights, errors, errors);
        return Curvature.MeanCost(_errors, map.Rows, moments, map.Columns);
    }
}
