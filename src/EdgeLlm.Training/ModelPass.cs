using EdgeLlm.Models.Layers;

namespace EdgeLlm.Training;

/// <summary>
/// Forward and backward pass of one window through all layers, with a layer's weights at a time. Activations are kept where they are small,
/// else computed again layer by layer.
/// </summary>
internal sealed class ModelPass
{
    private const long MostPassBytes = 400 << 20;

    private readonly int _length;
    private readonly NormStep _outputNorm;
    private readonly float[]? _outputBias;
    private readonly LayerArithmetic _arithmetic;
    private readonly IReadOnlyList<LayerProgram> _programs;
    private readonly LayerPass[] _passes; // one a layer, or a single one
    private readonly float[][] _inputs;   // of the layers: [tokens, width]
    private readonly float[] _again;      // a layer's input, where it has to be gone through a second time

    /// <param name="length">Tokens of a window.</param>
    /// <param name="width">Floats of a token's residual stream.</param>
    /// <param name="outputBias">Bias of the norm after the last layer: [width], or null.</param>
    public ModelPass(IReadOnlyList<LayerProgram> programs, NormStep outputNorm, float[]? outputBias, int width, int length)
    {
        (_length, _programs, _outputNorm, _outputBias) = (length, programs, outputNorm, outputBias);
        _arithmetic = new LayerArithmetic(length);
        bool keepsAll = _programs.Sum(program => LayerPass.ByteCount(program, length)) <= MostPassBytes;
        var arrays = new PassArrays(length);
        _passes = [.. Enumerable.Range(0, keepsAll ? _programs.Count : 1).Select(_ => new LayerPass(_arithmetic, length, arrays))];
        _inputs = [.. _programs.Select(_ => new float[length * width])];
        Stream = new float[length * width];
        _again = keepsAll ? [] : new float[Stream.Length];
        Hidden = new float[Stream.Length];
        Derivatives = new float[Stream.Length];
    }

    /// <summary>
    /// The residual stream [tokens, width]: the tokens' embeddings before a forward pass, the last layer's output after it.
    /// </summary>
    public float[] Stream { get; }

    /// <summary>After a forward pass: the normed last hidden states [tokens, width].</summary>
    public float[] Hidden { get; }

    /// <summary>After a backward pass: the loss's derivatives by the tokens' embeddings [tokens, width].</summary>
    public float[] Derivatives { get; }

    /// <param name="layerOf">A layer's weights, which need to last until the next one is asked for.</param>
    public void Forward(Func<int, LayerWeights> layerOf, float[] outputNorm)
    {
        for (int l = 0; l < _inputs.Length; l++)
        {
            Stream.CopyTo(_inputs[l], 0);
            PassOf(l).Forward(_programs[l], layerOf(l), new FloatRows(Stream, 0), _length);
        }
        _arithmetic.Normalize(_outputNorm.Norm, new FloatRows(Stream, 0), outputNorm, new FloatRows(Hidden, 0), _length, _outputBias);
    }

    /// <param name="byHidden">The loss's derivatives by <see cref="Hidden"/>.</param>
    /// <param name="gradientOf">Receives a layer's derivatives.</param>
    public void Backward(Func<int, LayerWeights> layerOf, float[] outputNorm, float[] byHidden, Func<int, ILayerGradient> gradientOf,
        float[]? outputNormGradient)
    {
        Array.Clear(Derivatives);
        _arithmetic.NormalizeBackward(_outputNorm.Norm, new FloatRows(Stream, 0), outputNorm, byHidden, Derivatives,
            outputNormGradient, _length);
        for (int l = _inputs.Length - 1; l >= 0; l--)
        {
            LayerWeights layer = layerOf(l);
            if (_again.Length > 0)
            {
                _inputs[l].CopyTo(_again, 0);
                _passes[0].Forward(_programs[l], layer, new FloatRows(_again, 0), _length);
            }
            PassOf(l).Backward(_programs[l], layer, _inputs[l], Derivatives, gradientOf(l));
        }
    }

    private LayerPass PassOf(int layer) => _passes[_passes.Length == 1 ? 0 : layer];
}
