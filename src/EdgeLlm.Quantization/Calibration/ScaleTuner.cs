using System.Numerics.Tensors;
using EdgeLlm.Models.Spec;
using EdgeLlm.Quantization.Rounding;
using EdgeLlm.Training;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>
/// When all matrices are rounded, tunes what is left to tune without touching a code, the norms and every row's scale, so that the whole
/// model's predictions come near the source's: stochastic gradient descent on the KL divergence, a window a step, by Adam. Holds a layer's
/// weights at a time; the part of it that the layers need later is kept where it is small and computed again where it is not.
/// </summary>
internal sealed class ScaleTuner
{
    private const int WarmUpSteps = 5;

    private readonly SourceModel _source;
    private readonly CalibrationText _text;
    private readonly ModelPass _pass;
    private readonly Dictionary<string, PackedMatrix> _packed;
    private readonly LayerWeights _buffer;
    private readonly Dictionary<string, float[]> _untuned;
    private readonly Dictionary<string, float[]> _norms;
    private readonly string _outputNorm;
    private readonly float[] _sourceHidden;
    private readonly float[] _byHidden;
    private readonly DivergenceLoss _loss;
    private readonly SortedDictionary<string, AdamState> _steps = new(StringComparer.Ordinal); // of each norm and each matrix' rows
    private readonly int[] _heldOut;
    private readonly float[] _before, _after; // divergences of the held-out windows; no numbers where they are not measured yet

    /// <param name="packed">The matrices that are packed.</param>
    /// <param name="norms">All norms that the matrices were packed for, by their tensors' names.</param>
    /// <param name="sourceHidden">The source's normed last hidden states of the text: [tokens, width].</param>
    public ScaleTuner(SourceModel source, CalibrationText text, IEnumerable<PackedMatrix> packed,
        Dictionary<string, float[]> norms, float[] sourceHidden)
    {
        (_source, _text, _untuned, _sourceHidden) = (source, text, norms, sourceHidden);
        _heldOut = [.. Enumerable.Range(0, text.Count).Where(CalibrationText.IsHeldOut)];
        _before = [.. _heldOut.Select(_ => float.NaN)];
        _after = [.. _before];
        _pass = source.NewPass(text.Length);
        _byHidden = new float[_pass.Hidden.Length];
        _packed = packed.ToDictionary(matrix => matrix.Tensor.Name);
        _buffer = source.ReadLayer(0);
        _norms = norms.ToDictionary(norm => norm.Key, norm => (float[])norm.Value.Clone());
        _outputNorm = source.OutputNormStep.Weight.Name;
        float[] sourceHead = source.ReadMatrix(source.HeadName), head = sourceHead;
        if (_packed.TryGetValue(source.HeadName, out PackedMatrix? packedHead)) packedHead.ToFloat(head = new float[sourceHead.Length]);
        _loss = new DivergenceLoss(sourceHead, head, source.Model.Width);
        foreach ((string name, float[] norm) in _norms) _steps.Add(name, new AdamState(norm.Length));
        foreach (PackedMatrix matrix in _packed.Values) _steps.Add(matrix.Tensor.Name, new AdamState(matrix.Tensor.Rows));
    }

    /// <summary>File of the state after each window, so that it may continue from there; null: nowhere.</summary>
    public Checkpoint? Checkpoint { get; init; }

    /// <summary>Receives what was done, and the share of all steps that is done.</summary>
    public Action<string, double> Progress { get; init; } = static (_, _) => { };

    public Action<string> Log { get; init; } = static _ => { };

    /// <summary>The share by which a row's scale moves in the first steps.</summary>
    public float RowRate { get; init; } = 1e-3f;

    /// <summary>The share by which a norm's weight moves in the first steps.</summary>
    public float NormRate { get; init; } = 1e-3f;

    public int Epochs { get; init; } = 1;

    /// <summary>
    /// Tunes the row factors of the matrices and, in the result, the norms by their tensors' names; all stay as they are where held-out
    /// windows gain nothing.
    /// </summary>
    public Dictionary<string, float[]> Tune(CancellationToken cancellation)
    {
        int[] training = [.. Enumerable.Range(0, _text.Count).Where(window => !CalibrationText.IsHeldOut(window))];
        LayerGradient[] gradients = [.. _source.Programs.Select(_ => new LayerGradient())];
        double recent = 0;
        int count = Epochs * training.Length, done = Checkpoint?.TryLoad(count, Arrays()) ?? 0;
        double before = MeasureHeldOut(_before, "before", 0, done, cancellation);
        var random = new Random(1);
        for (int step = 0; step < count; step++)
        {
            if (step % training.Length == 0) random.Shuffle(training);
            if (step < done) continue;
            cancellation.ThrowIfCancellationRequested();
            foreach (LayerGradient gradient in gradients) gradient.Clear();
            float[] outputGradient = new float[_norms[_outputNorm].Length];
            recent += Backward(training[step % training.Length], gradients, outputGradient);
            if (step % 10 == 9)
            {
                Log($"step {step + 1} of {count}: {recent / 10:F5}");
                recent = 0;
            }
            float rate = Math.Min(1, (step + 1f) / WarmUpSteps) * (0.5f + 0.5f * MathF.Cos(MathF.PI * step / count));
            foreach (LayerGradient gradient in gradients) Step(gradient, rate, step + 1);
            MoveNorm(_outputNorm, outputGradient, rate, step + 1);
            Checkpoint?.Save(step + 1, Arrays());
            Progress($"step {step + 1} of {count}", (step + 1.0) / count);
        }
        if (_heldOut.Length == 0 || MeasureHeldOut(_after, "after", 1, count, cancellation) < before) return _norms;
        foreach (PackedMatrix matrix in _packed.Values) Array.Fill(matrix.RowFactors, 1);
        return _untuned;

        void Step(LayerGradient gradient, float rate, int number)
        {
            foreach ((string name, float[] sums) in gradient.Norms) MoveNorm(name, sums, rate, number);
            foreach ((string name, float[] rows) in gradient.Rows)
            {
                if (!_packed.TryGetValue(name, out PackedMatrix? matrix)) continue;
                TensorPrimitives.Multiply(matrix.RowFactors, _steps[name].Step(rows, RowRate * rate, number), matrix.RowFactors);
            }
        }

        void MoveNorm(string name, float[] gradient, float rate, int number)
        {
            float[] weights = _norms[name];
            TensorPrimitives.Multiply(gradient, weights, gradient);
            TensorPrimitives.Multiply(weights, _steps[name].Step(gradient, NormRate * rate, number), weights);
        }
    }

    /// <summary>The mean divergence of the held-out windows; those that are measured already are not measured again.</summary>
    /// <param name="done">Steps that are done.</param>
    private double MeasureHeldOut(float[] divergences, string when, double share, int done, CancellationToken cancellation)
    {
        for (int i = 0; i < divergences.Length; i++)
        {
            if (!float.IsNaN(divergences[i])) continue;
            cancellation.ThrowIfCancellationRequested();
            divergences[i] = (float)Measure(_heldOut[i]);
            Checkpoint?.Save(done, Arrays());
            Progress($"{when}, window {i + 1} of {divergences.Length}", share);
        }
        double mean = divergences.Length == 0 ? 0 : divergences.Average();
        Log($"held-out divergence {mean:F5}");
        return mean;
    }

    /// <summary>All that a step changes, and what the whole is judged by.</summary>
    private float[][] Arrays() =>
        [_before, _after,
            .. _steps.SelectMany(entry =>
                new[] { _norms.GetValueOrDefault(entry.Key) ?? _packed[entry.Key].RowFactors, entry.Value.First, entry.Value.Second })];

    /// <summary>The mean divergence of a window's predictions.</summary>
    public double Measure(int window)
    {
        Forward(window);
        return _loss.Measure(_sourceHidden, window * _pass.Hidden.Length, _pass.Hidden, _text.Length, null) / _text.Length;
    }

    private void Forward(int window)
    {
        _source.EmbedPacked(_text[window], _packed.GetValueOrDefault(TensorTable.Embedding), _pass.Stream);
        _pass.Forward(ReadLayer, _norms[_outputNorm]);
    }

    /// <summary>The mean divergence of a window's predictions; gradients are added to.</summary>
    private double Backward(int window, LayerGradient[] gradients, float[] outputGradient)
    {
        Forward(window);
        double divergence = _loss.Measure(_sourceHidden, window * _byHidden.Length, _pass.Hidden, _text.Length, _byHidden);
        _pass.Backward(ReadLayer, _norms[_outputNorm], _byHidden, l => gradients[l], outputGradient);
        return divergence / _text.Length;
    }

    private LayerWeights ReadLayer(int l) => _source.ReadLayer(l, _buffer, _norms, _packed);
}
