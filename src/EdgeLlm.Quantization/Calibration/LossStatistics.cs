using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;
using EdgeLlm.Quantization.Rounding;
using EdgeLlm.Training;
using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>
/// Statistics of the whole model's loss for the matrices of one layer, window by window. For W [m, n] with inputs x and the loss's
/// derivatives d by its outputs: X = sum x x', D = sum d d' over every third window, G = sum d x' over two windows, B_I = sum G' G, B_O =
/// sum G G'. An error E of W costs about tr(H_O E H_I E') with H_I = N(X) + N(B_I) and H_O = N(B_O) + N(D), where N divides by the mean of
/// the diagonal.
/// </summary>
internal sealed class LossStatistics : ILayerGradient
{
    private const int GradientWindows = 2;
    private const int OutputWindows = 3;
    private const int MostOutputs = 16_384; // rows beyond which H_O would take too much memory

    private readonly FloatArena _arena;
    private readonly Dictionary<string, Sums> _sums = [];
    private int _window;

    /// <param name="matrices">The operations whose matrices are rounded.</param>
    /// <param name="windows">Windows that are in <see cref="Arrays"/> when they are filled.</param>
    public LossStatistics(IEnumerable<ProjectStep> matrices, FloatArena arena, int windows = 0)
    {
        (_arena, _window) = (arena, windows);
        foreach (ProjectStep step in matrices)
        {
            Sums? first = null;
            foreach (Projection projection in step.Projections)
            {
                var sums = new Sums(projection.Weight, first, arena);
                first ??= sums;
                _sums.Add(projection.Weight.Name, sums);
            }
        }
    }

    /// <summary>All sums so far.</summary>
    public IEnumerable<float[]> Arrays => _sums.Values.SelectMany(sums => sums.Arrays);

    /// <summary>Floats of all sums.</summary>
    public static long FloatCount(IEnumerable<ProjectStep> matrices) => matrices.Sum(step => step.Projections.Select((projection, place) =>
    {
        long rows = projection.Weight.Rows, columns = projection.Weight.Columns;
        return (place == 0 ? 2 : 1) * columns * columns + rows * columns + (rows > MostOutputs ? 0 : 2 * rows * rows);
    }).Sum());

    float[]? ILayerGradient.NormOf(TensorUse weight) => null;

    void ILayerGradient.Add(Projection projection, float[]? bias, float[] x, float[] dy, float[] y, int tokens)
    {
        if (!_sums.TryGetValue(projection.Weight.Name, out Sums? sums)) return;
        (int rows, int columns) = (projection.Weight.Rows, projection.Weight.Columns);
        MatrixView inputs = new(x, tokens, columns), outputs = new(dy, tokens, rows);
        if (sums.OwnsInputs)
            MatrixMultiplier.Multiply(inputs.Transposed, inputs, new MatrixView(sums.Inputs, columns, columns),
                accumulate: true, upperOnly: true);
        if (sums.Outputs is { } d && _window % OutputWindows == 0)
            MatrixMultiplier.Multiply(outputs.Transposed, outputs, new MatrixView(d, rows, rows), accumulate: true, upperOnly: true);
        MatrixMultiplier.Multiply(outputs.Transposed, inputs, new MatrixView(sums.Gradient, rows, columns),
            accumulate: _window % GradientWindows > 0);
    }

    /// <summary>Ends a window, after its backward pass.</summary>
    public void EndWindow()
    {
        if (++_window % GradientWindows == 0) Fold();
    }

    /// <summary>Ends the last window.</summary>
    public void Complete()
    {
        if (_window % GradientWindows > 0) Fold();
        foreach (Sums sums in _sums.Values) sums.Complete();
    }

    /// <summary>H_I of a matrix: [columns, columns], of the arena.</summary>
    public float[] InputsOf(string name) => Mix(_sums[name].Inputs, _sums[name].ByInput, _sums[name].Use.Columns);

    /// <summary>H_O of a matrix: [rows, rows], of the arena; null: it has too many rows.</summary>
    public float[]? OutputsOf(string name) => _sums[name] is { Outputs: { } d, ByOutput: { } b } sums ? Mix(b, d, sums.Use.Rows) : null;

    /// <summary>Gives all arrays back.</summary>
    public void Return()
    {
        foreach (Sums sums in _sums.Values) sums.Return(_arena);
        _sums.Clear();
    }

    private void Fold()
    {
        foreach (Sums sums in _sums.Values)
        {
            (int rows, int columns) = (sums.Use.Rows, sums.Use.Columns);
            var gradient = new MatrixView(sums.Gradient, rows, columns);
            MatrixMultiplier.Multiply(gradient.Transposed, gradient, new MatrixView(sums.ByInput, columns, columns),
                accumulate: true, upperOnly: true);
            if (sums.ByOutput is { } b)
                MatrixMultiplier.Multiply(gradient, gradient.Transposed, new MatrixView(b, rows, rows), accumulate: true, upperOnly: true);
        }
    }

    private float[] Mix(float[] first, float[] second, int size)
    {
        float[] mixed = _arena.Rent((long)size * size);
        float a = InverseMean(first, size), b = InverseMean(second, size);
        for (int i = 0; i < mixed.Length; i++) mixed[i] = a * first[i] + b * second[i];
        return mixed;
    }

    private static float InverseMean(float[] matrix, int size)
    {
        double sum = 0;
        for (int k = 0; k < size; k++) sum += matrix[k * size + k];
        return sum > 0 ? (float)(size / sum) : 0;
    }

    /// <summary>The sums of one matrix; the first of an operation has the inputs of all of them.</summary>
    private sealed class Sums
    {
        private readonly Sums? _first;
        private readonly float[]? _inputs;

        public Sums(TensorUse use, Sums? first, FloatArena arena)
        {
            (Use, _first) = (use, first);
            long rows = use.Rows, columns = use.Columns;
            _inputs = first is null ? arena.RentZeros(columns * columns) : null;
            Gradient = arena.Rent(rows * columns);
            ByInput = arena.RentZeros(columns * columns);
            if (rows > MostOutputs) return;
            Outputs = arena.RentZeros(rows * rows);
            ByOutput = arena.RentZeros(rows * rows);
        }

        public TensorUse Use { get; }

        public bool OwnsInputs => _inputs is not null;

        /// <summary>X: [columns, columns].</summary>
        public float[] Inputs => _inputs ?? _first!.Inputs;

        /// <summary>G: [rows, columns].</summary>
        public float[] Gradient { get; }

        /// <summary>B_I: [columns, columns].</summary>
        public float[] ByInput { get; }

        /// <summary>D: [rows, rows], or null.</summary>
        public float[]? Outputs { get; }

        /// <summary>B_O: [rows, rows], or null.</summary>
        public float[]? ByOutput { get; }

        public IEnumerable<float[]> Arrays => new[] { _inputs, Gradient, ByInput, Outputs, ByOutput }.OfType<float[]>();

        /// <summary>Of symmetric products only the upper half was computed.</summary>
        public void Complete()
        {
            if (_inputs is not null) Curvature.Mirror(_inputs, Use.Columns);
            Curvature.Mirror(ByInput, Use.Columns);
            if (Outputs is not null) Curvature.Mirror(Outputs, Use.Rows);
            if (ByOutput is not null) Curvature.Mirror(ByOutput, Use.Rows);
        }

        public void Return(FloatArena arena)
        {
            foreach (float[] array in Arrays) arena.Return(array);
        }
    }
}
