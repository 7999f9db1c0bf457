namespace EdgeLlm.Quantization.Calibration;

/// <summary>
/// A window's way through a whole llama, forwards and backwards, with a layer's weights at a time. What the way there leaves behind in the layers is
/// kept where it is small and computed again where it is not.
/// </summary>
internal sealed class ModelPass
{
    private const long MostPassBytes = 400 << 20;

    private readonly int _length;
    private readonly LayerOperations _operations;
    private readonly LayerPass[] _passes; // one a layer, or a single one
    private readonly float[][] _inputs;   // of the layers: [tokens, embedding]
    private readonly float[] _again;      // a layer's input, where it has to be gone through a second time

    /// <param name="length">Tokens of a window.</param>
    public ModelPass(SourceModel source, int length)
    {
        ModelConfig config = source.Config;
        _length = length;
        _operations = new LayerOperations(config, length);
        bool keepsAll = LayerPass.ByteCount(config, length) * config.BlockCount <= MostPassBytes;
        var scratch = new LayerScratch(config, length);
        _passes = [.. Enumerable.Range(0, keepsAll ? config.BlockCount : 1).Select(_ => new LayerPass(config, _operations, length, scratch))];
        _inputs = [.. Enumerable.Range(0, config.BlockCount).Select(_ => new float[length * config.EmbeddingLength])];
        Stream = new float[length * config.EmbeddingLength];
        _again = keepsAll ? [] : new float[Stream.Length];
        Hidden = new float[Stream.Length];
        Derivatives = new float[Stream.Length];
    }

    /// <summary>The residual stream [tokens, embedding]: the tokens' embeddings before a pass forwards, what comes out of the last layer after it.</summary>
    public float[] Stream { get; }

    /// <summary>After a pass forwards: the normed last hidden states [tokens, embedding].</summary>
    public float[] Hidden { get; }

    /// <summary>After a pass backwards: the loss' derivatives by the tokens' embeddings [tokens, embedding].</summary>
    public float[] Derivatives { get; }

    /// <param name="layerOf">A layer's weights, which need to last until the next one is asked for.</param>
    public void Forward(Func<int, DecoderLayer> layerOf, float[] outputNorm)
    {
        for (int l = 0; l < _inputs.Length; l++)
        {
            Stream.CopyTo(_inputs[l], 0);
            PassOf(l).Forward(layerOf(l), Stream, 0, _length);
        }
        _operations.Normalize(Stream, 0, outputNorm, Hidden, _length);
    }

    /// <param name="byHidden">The loss' derivatives by <see cref="Hidden"/>.</param>
    /// <param name="gradientOf">What a layer's derivatives go to.</param>
    public void Backward(Func<int, DecoderLayer> layerOf, float[] outputNorm, float[] byHidden, Func<int, ILayerGradient> gradientOf, float[]? outputNormGradient)
    {
        Array.Clear(Derivatives);
        _operations.NormalizeBackward(Stream, 0, outputNorm, byHidden, Derivatives, outputNormGradient, _length);
        for (int l = _inputs.Length - 1; l >= 0; l--)
        {
            DecoderLayer layer = layerOf(l);
            if (_again.Length > 0)
            {
                _inputs[l].CopyTo(_again, 0);
                _passes[0].Forward(layer, _again, 0, _length);
            }
            PassOf(l).Backward(layer, _inputs[l], Derivatives, _length, gradientOf(l));
        }
    }

    private LayerPass PassOf(int layer) => _passes[_passes.Length == 1 ? 0 : layer];
}
