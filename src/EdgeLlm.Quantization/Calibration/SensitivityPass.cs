using System.Numerics.Tensors;
using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;
using EdgeLlm.Training;
using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>
/// How much the source's predictions depend on each weight: the diagonal of their Fisher information, summed over short runs of weights.
/// Half of it times the mean square of a run's errors is about the KL divergence that these errors make, all runs together.
/// </summary>
internal sealed class SensitivityPass : ILayerGradient
{
    /// <summary>Weights of a run.</summary>
    public const int RunColumns = 16;

    private readonly SourceModel _source;
    private readonly Dictionary<string, float[]> _runs = []; // [rows, columns / 16]
    private float[] _squares = [], _energies = []; // of the last matrix
    private int _tokens;

    public SensitivityPass(SourceModel source) => _source = source;

    float[]? ILayerGradient.NormOf(TensorUse weight) => null;

    /// <summary>Sends some windows of a text forwards and backwards through the source.</summary>
    /// <param name="progress">Receives the share that is done.</param>
    /// <exception cref="ModelException">Nothing goes backwards through its layers.</exception>
    public void Run(CalibrationText text, Action<double> progress, CancellationToken cancellation)
    {
        _source.RequirePrograms("sensitivities to choose forms by");
        var pass = _source.NewPass(text.Length);
        int width = _source.Model.Width;
        var loss = new SampledLoss(_source.ReadMatrix(_source.HeadName), width);
        LayerWeights buffer = _source.ReadLayer(0);
        float[] outputNorm = _source.OutputNorm, byHidden = new float[pass.Hidden.Length];
        for (int window = 0; window < text.Count; window++)
        {
            cancellation.ThrowIfCancellationRequested();
            _source.Embed(text[window], pass.Stream);
            pass.Forward(ReadLayer, outputNorm);
            loss.Differentiate(pass.Hidden, text.Length, window * text.Length, byHidden,
                (byLogits, first) =>
                {
                    int tokens = byLogits.Length / _source.Model.VocabularySize;
                    Add(_source.HeadName, pass.Hidden.AsSpan(first * width, tokens * width), byLogits, tokens);
                });
            pass.Backward(ReadLayer, outputNorm, byHidden, _ => this, null);
            AddEmbeddings(text[window], pass.Derivatives);
            _tokens += text.Length;
            progress((window + 1) / (double)text.Count);
        }

        LayerWeights ReadLayer(int l) => _source.ReadLayer(l, buffer);
    }

    void ILayerGradient.Add(Projection projection, float[]? bias, float[] x, float[] dy, float[] y, int tokens) =>
        Add(projection.Weight.Name, x.AsSpan(0, tokens * projection.Weight.Columns), dy.AsSpan(0, tokens * projection.Weight.Rows), tokens);

    /// <summary>About the mean KL divergence, in nats, that these errors of a matrix' weights make.</summary>
    /// <param name="errors">Of some rows: [rows, columns].</param>
    public double Divergence(string name, ReadOnlySpan<float> errors, int firstRow = 0)
    {
        int columns = (int)_source.File.FindTensor(name)!.Columns;
        double sum = 0;
        ReadOnlySpan<float> runs = _runs[name].AsSpan(firstRow * (columns / RunColumns), errors.Length / RunColumns);
        for (int run = 0; run < runs.Length; run++)
            sum += (double)runs[run] * Reductions.SumOfSquares(errors.Slice(run * RunColumns, RunColumns)) / RunColumns;
        return sum / 2 / _tokens;
    }

    /// <summary>
    /// A weight's derivative for a token is dy x; its square summed over a run of columns is dy^2 times the run's sum of x^2.
    /// </summary>
    private void Add(string name, ReadOnlySpan<float> x, ReadOnlySpan<float> dy, int tokens)
    {
        int rows = dy.Length / tokens, runs = x.Length / tokens / RunColumns;
        if (_squares.Length < dy.Length) _squares = new float[dy.Length];
        if (_energies.Length < tokens * runs) _energies = new float[tokens * runs];
        TensorPrimitives.Multiply(dy, dy, _squares);
        for (int i = 0; i < tokens * runs; i++) _energies[i] = Reductions.SumOfSquares(x.Slice(i * RunColumns, RunColumns));
        MatrixMultiplier.Multiply(new MatrixView(_squares, tokens, rows).Transposed, new MatrixView(_energies, tokens, runs),
            new MatrixView(RunsOf(name, rows, runs), rows, runs), accumulate: true);
    }

    /// <summary>As an input each row of the embedding counts for its own tokens.</summary>
    private void AddEmbeddings(ReadOnlySpan<int> tokens, float[] derivatives)
    {
        int runs = _source.Model.Width / RunColumns;
        float[] sums = RunsOf(TensorTable.Embedding, _source.Model.VocabularySize, runs);
        float squaredScale = _source.Model.EmbeddingScale * _source.Model.EmbeddingScale;
        for (int t = 0; t < tokens.Length; t++)
        {
            for (int run = 0; run < runs; run++)
                sums[tokens[t] * runs + run] += squaredScale
                    * Reductions.SumOfSquares(derivatives.AsSpan((t * runs + run) * RunColumns, RunColumns));
        }
    }

    private float[] RunsOf(string name, int rows, int runs)
    {
        if (!_runs.TryGetValue(name, out float[]? sums)) _runs[name] = sums = new float[rows * runs];
        return sums;
    }
}
