using System.Numerics.Tensors;
using EdgeLlm.Models;
using EdgeLlm.Quantization.Rounding;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>
/// When all matrices are rounded, tunes what is left to tune without touching a code, the norms and every row's scale, so that the whole model's
/// predictions come near the source's: stochastic gradient descent on the KL divergence, by Adam.
/// </summary>
internal sealed class ScaleTuner
{
    private readonly SourceModel _source;
    private readonly CalibrationText _text;
    private readonly ModelConfig _config;
    private readonly LayerOperations _operations;
    private readonly LayerPass[] _passes;
    private readonly DecoderLayer[] _layers;
    private readonly Dictionary<string, PackedMatrix> _packed;
    private readonly float[] _outputNorm;
    private readonly float[] _sourceHidden;
    private readonly DivergenceLoss _loss;
    private readonly PackedMatrix _embedding;
    private readonly float[] _stream;
    private readonly float[] _hidden;
    private readonly float[] _derivatives;

    public ScaleTuner(SourceModel source, CalibrationText text, IReadOnlyList<PackedMatrix> packed)
    {
        (_source, _text, _config) = (source, text, source.Config);
        int width = _config.EmbeddingLength, length = text.Length;
        _operations = new LayerOperations(_config, source.RopeDivisors, length);
        _packed = packed.ToDictionary(matrix => matrix.Tensor.Name);
        _embedding = _packed[TensorOrder.Embedding];
        _outputNorm = source.OutputNorm;
        _sourceHidden = SourceHidden();
        _layers = [.. Enumerable.Range(0, _config.BlockCount).Select(source.ReadLayer)];
        _passes = [.. _layers.Select(_ => new LayerPass(_config, _operations, length))];
        float[] head = new float[_config.VocabularySize * width];
        _packed[source.HeadName].ToFloat(head);
        _loss = new DivergenceLoss(source.ReadMatrix(source.HeadName), head, width);
        _stream = new float[length * width];
        _hidden = new float[length * width];
        _derivatives = new float[length * width];
    }

    public Action<string> Log { get; init; } = static _ => { };

    public float RowRate { get; init; } = 1e-3f;

    public float NormRate { get; init; } = 1e-3f;

    public int Epochs { get; init; } = 1;

    /// <summary>Tuned norms by their tensors' names.</summary>
    public Dictionary<string, float[]> Norms { get; } = [];

    public void Tune()
    {
        int[] training = [.. Enumerable.Range(0, _text.Count).Where(window => !CalibrationText.IsHeldOut(window))];
        int[] heldOut = [.. Enumerable.Range(0, _text.Count).Where(CalibrationText.IsHeldOut)];
        var gradients = _layers.Select(_ => new LayerGradient(_config)).ToArray();
        var normAdam = _layers.Select(_ => (new AdamState(_config.EmbeddingLength), new AdamState(_config.EmbeddingLength))).ToArray();
        var outputAdam = new AdamState(_config.EmbeddingLength);
        var rowAdam = new Dictionary<string, AdamState>();
        ReadAll();
        Log($"held-out divergence {heldOut.Average(Measure):F5}");
        int steps = Epochs * training.Length;
        var random = new Random(1);
        double mean = 0;
        for (int step = 0; step < steps; step++)
        {
            if (step % training.Length == 0) random.Shuffle(training);
            float[] outputGradient = new float[_config.EmbeddingLength];
            foreach (LayerGradient gradient in gradients) gradient.Clear();
            double divergence = Backward(training[step % training.Length], gradients, outputGradient);
            mean += divergence;
            if (step % 10 == 9) { Log($"step {step + 1} of {steps}: {mean / 10:F5}"); mean = 0; }
            float rate = Math.Min(1, (step + 1) / 5f) * (0.5f + 0.5f * MathF.Cos(MathF.PI * step / steps));
            for (int l = 0; l < _layers.Length; l++)
            {
                DecoderLayer layer = _layers[l];
                Scale(layer.AttentionNorm, gradients[l].AttentionNorm, normAdam[l].Item1, rate);
                Scale(layer.FeedForwardNorm, gradients[l].FeedForwardNorm, normAdam[l].Item2, rate);
                foreach (LinearMap map in layer.Maps)
                {
                    if (!rowAdam.TryGetValue(map.Name, out AdamState? adam)) rowAdam[map.Name] = adam = new AdamState(map.Rows);
                    float[] factors = _packed[map.Name].RowFactors;
                    TensorPrimitives.Multiply(factors, adam.Step(gradients[l].Rows(map.Name), RowRate * rate), factors);
                }
            }
            Scale(_outputNorm, outputGradient, outputAdam, rate);
            ReadAll();
        }
        Log($"held-out divergence {heldOut.Average(Measure):F5}");
        for (int l = 0; l < _layers.Length; l++)
        {
            Norms[SourceModel.Name(l, "attn_norm")] = _layers[l].AttentionNorm;
            Norms[SourceModel.Name(l, "ffn_norm")] = _layers[l].FeedForwardNorm;
        }
        Norms["output_norm.weight"] = _outputNorm;
    }

    private void Scale(float[] weights, float[] gradient, AdamState adam, float rate)
    {
        for (int i = 0; i < weights.Length; i++) gradient[i] *= weights[i];
        float[] factors = adam.Step(gradient, NormRate * rate);
        for (int i = 0; i < weights.Length; i++) weights[i] *= factors[i];
    }

    private void ReadAll()
    {
        foreach (DecoderLayer layer in _layers)
        {
            foreach (LinearMap map in layer.Maps) _packed[map.Name].ToFloat(map.Weights);
        }
    }

    /// <summary>The mean divergence of a window.</summary>
    private double Measure(int window)
    {
        Forward(window);
        return _loss.Measure(_sourceHidden, window * _stream.Length, _hidden, _text.Length, null) / _text.Length;
    }

    private void Forward(int window)
    {
        ReadOnlySpan<int> tokens = _text[window];
        int width = _config.EmbeddingLength;
        float[] group = new float[8 * width];
        for (int t = 0; t < tokens.Length; t++)
        {
            _embedding.GroupToFloat(tokens[t] / 8, group.AsSpan(0, Math.Min(8, _config.VocabularySize - tokens[t] / 8 * 8) * width));
            group.AsSpan(tokens[t] % 8 * width, width).CopyTo(_stream.AsSpan(t * width));
        }
        for (int l = 0; l < _layers.Length; l++) _passes[l].Forward(_layers[l], _stream, 0, tokens.Length);
        _operations.Normalize(_stream, 0, _outputNorm, _hidden, tokens.Length);
    }

    private double Backward(int window, LayerGradient[] gradients, float[] outputGradient)
    {
        int tokens = _text.Length;
        Forward(window);
        float[] byHidden = new float[_hidden.Length];
        double divergence = _loss.Measure(_sourceHidden, window * _stream.Length, _hidden, tokens, byHidden);
        Array.Clear(_derivatives);
        _operations.NormalizeBackward(_stream, 0, _outputNorm, byHidden, _derivatives, outputGradient, tokens);
        float[] output = _stream;
        for (int l = _layers.Length - 1; l >= 0; l--)
        {
            _passes[l].Backward(_layers[l], output, _derivatives, tokens, gradients[l]);
            output = _passes[l].Input;
        }
        return divergence / tokens;
    }

    /// <summary>The source's normed last hidden states of all windows: [tokens, embedding].</summary>
    private float[] SourceHidden()
    {
        const int Batch = 4;
        int width = _config.EmbeddingLength, tokens = _text.Length * _text.Count;
        float[] stream = new float[tokens * width];
        _source.Embed(_text.Tokens, stream);
        var pass = new LayerPass(_config, _operations, Batch * _text.Length);
        for (int l = 0; l < _config.BlockCount; l++)
        {
            DecoderLayer layer = _source.ReadLayer(l);
            for (int window = 0; window < _text.Count; window += Batch)
                pass.Forward(layer, stream, window * _text.Length * width, Math.Min(Batch, _text.Count - window) * _text.Length);
        }
        float[] hidden = new float[stream.Length];
        _operations.Normalize(stream, 0, _outputNorm, hidden, tokens);
        return hidden;
    }
}
